import { useState } from "preact/hooks";
import { read, type Moment } from "../api/metrics";
import { clock, number, t, type Message } from "../i18n";
import { Chart } from "../ui/chart";
import { Fact } from "../ui/fact";
import { useFetched } from "../ui/fetched";
import { Problem } from "../ui/problem";
import { Licences } from "./overview-licences";

const EVERY = 3; // seconds
const MOST = 200; // moments in the charts: ten minutes

/** How the server does: the state of its parts, and what it has done since the page was opened. */
export default function Machine() {
  const { value, error } = useFetched(health, { every: 5 });
  const [moments, setMoments] = useState<readonly Moment[]>([]);
  const [without, setWithout] = useState(false);
  useFetched(
    async (signal) => {
      const moment = await read(signal);
      setWithout(!moment);
      if (moment) setMoments((before) => [...before, moment].slice(-MOST));
    },
    { every: EVERY },
  );
  // All at once, so that nothing moves; a server without metrics has none to wait for.
  if (!value || (!moments.length && !without)) return <Problem error={error} />;
  return (
    <section>
      <h2>{t("machine.title")}</h2>
      <Problem error={error} />
      <dl class="facts figures">
        {Object.entries(value).map(
          ([part, state]) =>
            typeof state !== "object" && <Fact name={nameOf(part)} text={String(state)} />,
        )}
        <Numbers moments={moments} />
      </dl>
      {moments.length > 0 && <Charts moments={moments} />}
      {value.packs && <Licences packs={value.packs} />}
    </section>
  );
}

/** The parts that have a name in every language. */
const PARTS: Partial<Record<string, Message>> = {
  status: "machine.status",
  database: "machine.database",
  disk: "machine.disk",
  models: "collection.model",
  version: "server.version",
};

function nameOf(part: string): string {
  const key = PARTS[part];
  return key ? t(key) : part;
}

/** The states of the parts, and the versions of the model packs. */
type Health = Record<string, unknown> & { packs?: Record<string, string> };

/** The parts' states, as GET /health reports them. */
async function health(signal: AbortSignal): Promise<Health> {
  // 503 has a body too: it says which part is down.
  const answer = await fetch("/health", { signal });
  return (await answer.json()) as Health;
}

function Numbers({ moments }: { moments: readonly Moment[] }) {
  const first = moments[0];
  const last = moments.at(-1);
  if (!first || !last) return null;
  return (
    <>
      <Fact name={t("machine.requests")} text={number(last.requests)} />
      <Fact name={t("machine.errors")} text={number(last.errors)} />
      <Fact name={t("machine.tasks")} text={number(last.tasks)} />
      <Fact name={t("machine.streams")} text={number(last.streams)} />
      <Fact
        name={t("machine.memory")}
        text={number(last.memory / 2 ** 20, { maximumFractionDigits: 0 }) + " MiB"}
      />
    </>
  );
}

function Charts({ moments }: { moments: readonly Moment[] }) {
  const times = moments.slice(1).map((moment) => moment.time);
  const between = <T,>(value: (before: Moment, after: Moment) => T): T[] =>
    moments.slice(1).map((after, n) => value(moments[n]!, after));
  // A server that was started again counts from zero.
  const growth = (before: number, after: number) => Math.max(0, after - before);
  const rates = between((a, b) => growth(a.requests, b.requests) / (b.time - a.time));
  const waits = between((a, b) => {
    const answered = growth(a.requests, b.requests);
    return answered ? (growth(a.duration, b.duration) / answered) * 1000 : null;
  });
  return (
    <div class="columns">
      <Line title={t("machine.rate")} times={times} values={rates} />
      <Line title={t("machine.latency")} times={times} values={waits} />
    </div>
  );
}

interface LineProps {
  title: string;
  times: number[];
  values: (number | null)[];
}

function Line({ title, times, values }: LineProps) {
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <Chart
        label={title}
        height={160}
        data={[times, values]}
        options={{
          legend: { show: false },
          axes: [{ space: 90, values: (_, seconds) => seconds.map((each) => clock(each)) }, {}],
          scales: { y: { range: (_, __, high) => [0, Math.max(high, 1)] } },
          series: [{}, { label: title, stroke: "#0b6e8a", spanGaps: true }],
        }}
      />
    </figure>
  );
}
