import { fetchSigned } from "./rest";

/** One value of GET /metrics, in Prometheus' text format. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (!name) continue;
    samples.push({
      name,
      labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, key, text]) => [key!, text!])),
      value: Number(value),
    });
  }
  return samples;
}

/** Return the sum of a metric's values whose labels the filter accepts. */
export function sum(
  samples: readonly Sample[],
  name: string,
  accepts: (labels: Record<string, string>) => boolean = () => true,
): number {
  return samples.reduce(
    (total, each) => (each.name === name && accepts(each.labels) ? total + each.value : total),
    0,
  );
}

/** What the page shows of the machine at one moment. */
export interface Moment {
  /** Seconds since 1970. */
  time: number;
  requests: number;
  /** Sum of the requests' durations, in seconds. */
  duration: number;
  /** Requests that the server failed to answer. */
  errors: number;
  /** Video tasks that wait or are in work. */
  tasks: number;
  streams: number;
  /** Bytes. */
  memory: number;
}

/** Read the server's metrics; undefined if the server keeps none. */
export async function read(signal: AbortSignal): Promise<Moment | undefined> {
  const answer = await fetchSigned("/metrics", signal);
  if (!answer.ok) return undefined;
  const samples = parse(await answer.text());
  return {
    time: Date.now() / 1000,
    requests: sum(samples, "facedex_requests_total"),
    duration: sum(samples, "facedex_request_duration_seconds_sum"),
    errors: sum(samples, "facedex_requests_total", ({ status = "" }) => status.startsWith("5")),
    tasks: sum(samples, "facedex_video_tasks"),
    streams: sum(samples, "facedex_stream_processors", ({ status }) => status === "RUNNING"),
    memory: sum(samples, "facedex_process_resident_memory_bytes"),
  };
}
