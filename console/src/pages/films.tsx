import type { PersonMatch } from "@aws-sdk/client-rekognition";
import { useEffect, useRef, useState } from "preact/hooks";
import { noteJob, RUNNING } from "../api/jobs";
import { call, type Output } from "../api/operations";
import { put, type Film } from "../api/storage";
import { config } from "../config";
import { similarityText } from "../faces/matching";
import { csv, people, type Person } from "../faces/timeline";
import { t } from "../i18n";
import { Drop } from "../ui/drop";
import { lastCollection, PickCollection } from "../ui/pick-collection";
import { Problem } from "../ui/problem";
import { save } from "../ui/save";
import { Threshold } from "../ui/threshold";

type Job = Output<"GetFaceSearch">;
type State =
  | { at: "idle" }
  | { at: "uploading"; share: number }
  | { at: "searching"; id: string }
  | { at: "done"; id: string; job: Job; moments: PersonMatch[] };

const POLL = 1000; // milliseconds

/** A film: who appears in it, and when. */
export default function Films() {
  const [collection, pick] = useState(lastCollection());
  const [threshold, setThreshold] = useState(90);
  const [film, setFilm] = useState<File>();
  const [state, setState] = useState<State>({ at: "idle" });
  const [error, fail] = useState<unknown>();
  const left = useRef<AbortController>();
  useEffect(() => () => left.current?.abort(), []);
  const start = async ([file]: File[]) => {
    left.current?.abort();
    const { signal } = (left.current = new AbortController());
    fail(undefined);
    setFilm(file);
    setState({ at: "uploading", share: 0 });
    try {
      const copy = await put(file!, (share) => setState({ at: "uploading", share }), signal);
      await search(copy, file!.name, collection, signal, setState);
    } catch (problem) {
      if (signal.aborted) return;
      fail(problem);
      setState({ at: "idle" });
    }
  };
  if (!config().machine) {
    return (
      <>
        <h1>{t("films.title")}</h1>
        <p class="empty">{t("films.elsewhere")}</p>
      </>
    );
  }
  return (
    <>
      <h1>{t("films.title")}</h1>
      <div class="row">
        <PickCollection value={collection} onChange={pick} />
        <Threshold value={threshold} onChange={setThreshold} />
      </div>
      {collection && <Drop label={t("films.drop")} accept="video/*" onFiles={start} />}
      <Problem error={error} />
      <div aria-live="polite">
        {state.at === "uploading" && (
          <label>
            {t("films.uploading")}
            <progress value={state.share} max={1} />
          </label>
        )}
        {state.at === "searching" && (
          <label>
            {t("films.searching", { id: state.id })}
            <progress />
          </label>
        )}
      </div>
      {state.at === "done" && film && <Result film={film} {...state} threshold={threshold} />}
    </>
  );
}

/** Search a film until the job has ended, and delete the film afterwards. */
async function search(
  copy: Film,
  film: string,
  collection: string,
  signal: AbortSignal,
  onState: (state: State) => void,
): Promise<void> {
  try {
    const { JobId = "" } = await call(
      "StartFaceSearch",
      {
        CollectionId: collection,
        Video: { S3Object: copy.place },
        // With threshold 0, the slider needs no further search.
        FaceMatchThreshold: 0,
      },
      { signal },
    );
    onState({ at: "searching", id: JobId });
    noteJob({ id: JobId, film, collection, status: RUNNING });
    let first = true;
    let job: Job;
    while (
      (job = await call("GetFaceSearch", { JobId, MaxResults: 1000 }, { signal, quiet: !first }))
        .JobStatus === RUNNING
    ) {
      first = false;
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
    noteJob({ id: JobId, film, collection, status: job.JobStatus ?? "" });
    if (job.JobStatus === "FAILED") throw new Error(job.StatusMessage);
    const moments = [...(job.Persons ?? [])];
    let next = job.NextToken;
    while (next) {
      const page = await call(
        "GetFaceSearch",
        { JobId, MaxResults: 1000, NextToken: next },
        { signal, quiet: true },
      );
      moments.push(...(page.Persons ?? []));
      next = page.NextToken;
    }
    onState({ at: "done", id: JobId, job, moments });
  } finally {
    await copy.remove();
  }
}

interface ResultProps {
  film: File;
  id: string;
  job: Job;
  moments: PersonMatch[];
  threshold: number;
}

function Result({ film, id, job, moments, threshold }: ResultProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(film);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [film]);
  const all = people(moments, threshold);
  const duration = job.VideoMetadata?.DurationMillis ?? 1;
  const seek = (milliseconds: number) => {
    if (video.current) video.current.currentTime = milliseconds / 1000;
  };
  return (
    <>
      {job.StatusMessage && <p class="problem">{job.StatusMessage}</p>}
      {url && <video ref={video} class="camera film" src={url} controls aria-label={film.name} />}
      <div class="row between">
        <h2>{t("films.people", { n: all.length })}</h2>
        <div class="row">
          <button class="outline" onClick={() => save(`${film.name}.csv`, "text/csv", csv(all))}>
            {t("films.csv")}
          </button>
          <button
            class="outline"
            onClick={() =>
              save(
                `${film.name}.json`,
                "application/json",
                JSON.stringify({ JobId: id, Persons: moments }),
              )
            }
          >
            {t("films.json")}
          </button>
        </div>
      </div>
      {!all.length && <p class="empty">{t("films.nobody")}</p>}
      <ul class="timeline">
        {all.map((person) => (
          <Row key={person.index} person={person} duration={duration} onSeek={seek} />
        ))}
      </ul>
    </>
  );
}

interface RowProps {
  person: Person;
  duration: number;
  onSeek: (milliseconds: number) => void;
}

function Row({ person: { index, name, similarity, best, spans }, duration, onSeek }: RowProps) {
  const label = name ?? t("films.person", { n: index });
  return (
    <li class={name ? "known" : "unknown"}>
      <button class="outline" onClick={() => onSeek(best)}>
        <bdi>{label}</bdi>
        {name && <small> {similarityText(similarity)}</small>}
      </button>
      <div class="track">
        {spans.map(({ from, to }) => (
          <button
            key={from}
            aria-label={t("films.seek", { name: label, time: clock(from) })}
            title={clock(from)}
            onClick={() => onSeek(from)}
            style={{
              left: `${(from / duration) * 100}%`,
              width: `max(4px, ${((to - from) / duration) * 100}%)`,
            }}
          />
        ))}
      </div>
    </li>
  );
}

/** Return a time in a film as minutes and seconds. */
function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
