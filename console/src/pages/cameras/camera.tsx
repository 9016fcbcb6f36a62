import { useEffect, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { call } from "../../api/operations";
import { records, type FrameRecord } from "../../api/streams";
import { config, endpoint } from "../../config";
import { similarityText } from "../../faces/matching";
import { t, time } from "../../i18n";
import { Confirm } from "../../ui/confirm";
import { useFetched } from "../../ui/fetched";
import { Problem } from "../../ui/problem";
import { useWork } from "../../ui/work";
import { add, forget, load, timeOf, type Sighting } from "./events";
import { Live } from "./live";
import { Status } from "./status";

const BREAK = 3000; // milliseconds before a data stream is read again after an error
/** A record says who is in the live picture for this time, in milliseconds. */
const VALID = 3000;

/** One camera: its state and why, its live picture, and who was seen. */
export default function Camera({ name }: { name: string }) {
  const {
    value: camera,
    error,
    refresh,
  } = useFetched(
    (signal, first) => call("DescribeStreamProcessor", { Name: name }, { signal, quiet: !first }),
    { every: 2 },
  );
  const { busy, error: refused, run } = useWork();
  const [deleting, setDeleting] = useState(false);
  const [, go] = useLocation();
  // A deployment's streams are in Kinesis, whose address is not the console's own.
  const { machine } = config();
  const output = machine ? camera?.Output?.KinesisDataStream?.Arn?.split("/").at(-1) : undefined;
  const { sightings, latest } = useSightings(name, output);
  const act = (operation: "StartStreamProcessor" | "StopStreamProcessor") =>
    run(async () => {
      await call(operation, { Name: name });
      refresh();
    });
  const stopped = camera?.Status === "STOPPED" || camera?.Status === "FAILED";
  const video = camera?.Input?.KinesisVideoStream?.Arn;
  return (
    <>
      <div class="row between">
        <h1>{name}</h1>
        {camera && (
          <div class="row">
            <Status status={camera.Status ?? ""} />
            {stopped ? (
              <button aria-busy={busy} onClick={() => act("StartStreamProcessor")}>
                {t("cameras.start")}
              </button>
            ) : (
              <button class="secondary" aria-busy={busy} onClick={() => act("StopStreamProcessor")}>
                {t("cameras.stop")}
              </button>
            )}
            <button class="danger" disabled={!stopped} onClick={() => setDeleting(true)}>
              {t("cameras.delete")}
            </button>
          </div>
        )}
      </div>
      <Problem error={refused ?? error} />
      {camera?.StatusMessage && (
        <p role="status" class="problem">
          {camera.StatusMessage}
        </p>
      )}
      {machine ? (
        <div class="columns wide">
          <section>
            {video && <Live streamArn={video} latest={latest} />}
            {video && <Push stream={video.split("/")[1] ?? ""} />}
          </section>
          <Sightings sightings={sightings} />
        </div>
      ) : (
        <p class="empty">{t("cameras.recordsElsewhere")}</p>
      )}
      {deleting && (
        <Confirm
          title={t("cameras.deleteName", { name })}
          action={t("cameras.delete")}
          work={() => call("DeleteStreamProcessor", { Name: name })}
          onClose={(deleted) => {
            setDeleting(false);
            if (!deleted) return;
            forget(name);
            go("/cameras");
          }}
        >
          {t("cameras.deleteSure", { name })}
        </Confirm>
      )}
    </>
  );
}

/** Read a processor's records: the newest, and who was seen. */
function useSightings(name: string, stream: string | undefined) {
  const [sightings, setSightings] = useState<readonly Sighting[]>(() => load(name));
  const [latest, setLatest] = useState<FrameRecord>();
  useEffect(() => {
    if (!stream) return;
    const left = new AbortController();
    let expiry: ReturnType<typeof setTimeout>;
    const run = async () => {
      let since = load(name)[0]?.time;
      while (!left.signal.aborted) {
        try {
          for await (const { batch, live } of records(
            stream,
            since ? new Date(since) : undefined,
            left.signal,
          )) {
            setSightings((before) => add(name, before, batch));
            const newest = batch.at(-1)!;
            if (live) {
              clearTimeout(expiry);
              expiry = setTimeout(() => setLatest(undefined), VALID);
              setLatest(newest);
            }
            since = timeOf(newest);
          }
        } catch {
          // The stream is not there yet, or the server is being started again.
        }
        await new Promise((resolve) => setTimeout(resolve, BREAK));
      }
    };
    void run();
    return () => {
      left.abort();
      clearTimeout(expiry);
      setLatest(undefined);
    };
  }, [name, stream]);
  return { sightings, latest };
}

function Sightings({ sightings }: { sightings: readonly Sighting[] }) {
  return (
    <section aria-live="polite">
      <h2>{t("cameras.seen")}</h2>
      {!sightings.length && <p>{t("cameras.nobody")}</p>}
      <ol class="results">
        {sightings.map(({ time: when, name, similarity }) => (
          <li key={`${when} ${name}`} class="good">
            <div>
              <strong>{name}</strong>
              <small>
                {time(new Date(when))} · {similarityText(similarity)}
              </small>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** How to send a film or a camera to the stream. */
function Push({ stream }: { stream: string }) {
  return (
    <details>
      <summary>{t("cameras.push")}</summary>
      <pre tabIndex={0}>
        <code>{`facedex stream push film.mp4 --stream ${stream} --loop --url ${endpoint()}
facedex stream push rtsp://camera.example/live --stream ${stream} --url ${endpoint()}`}</code>
      </pre>
    </details>
  );
}
