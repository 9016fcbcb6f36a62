import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { whenSignedOut } from "../api/session";
import { Camera } from "../faces/camera";
import {
  meaning,
  nameOf,
  passes,
  searchAll,
  similarityText,
  type Searched,
} from "../faces/matching";
import { jpegOf } from "../faces/photo";
import { edges, type Marked } from "../faces/picture";
import { clock, language, number, t } from "../i18n";
import { lastCollection, PickCollection } from "../ui/pick-collection";
import { Problem } from "../ui/problem";
import { save } from "../ui/save";
import { Threshold } from "../ui/threshold";

/** The longer side of what is sent, in pixels: a face at a door is large. */
const SIDE = 640;
/** Requests under way at the same time: one is on its way while another is answered. */
const AT_ONCE = 2;
/** A person who stays in view passes once in this time, in milliseconds. */
const AGAIN = 10_000;
/** A picture says who is at the door for this time after it was taken, in milliseconds. */
const VALID = 5000;
/** Passes that the page lists; the file has all. Thousands of them would slow the looks down. */
const LISTED = 200;
/** The wait that is shown is an average over about this many looks. */
const LOOKS = 10;

interface Pass {
  when: Date;
  name: string;
  similarity: number;
}

/** The passes of this tab: a day of them is not lost with a look at another page. */
const log = signal<readonly Pass[]>([]);
whenSignedOut(() => (log.value = []));

/** The door: the camera against a collection, live. */
export default function Door() {
  const [collection, pick] = useState(lastCollection());
  const [threshold, setThreshold] = useState(99);
  const [video, setVideo] = useState<HTMLVideoElement>();
  const passes = log.value;
  const stage = useRef<HTMLDivElement>(null);
  const { faces, wait, rate, error } = useLooks(video, collection, (seen) => {
    const now = new Date();
    log.value = withNew(log.peek(), seen, threshold, now);
  });
  // Drawn again for a new pass, not for each look.
  const list = useMemo(() => <Log passes={passes} />, [passes, language.value]);
  const marks = faces.map((face) => mark(face, threshold));
  const known = marks.find((each) => each.kind === "known");
  const verdict = known
    ? t("door.welcome", { name: known.label })
    : t(marks.length ? "door.unknown" : "door.empty");
  const speed =
    wait !== undefined &&
    t("door.wait", {
      ms: Math.round(wait),
      rate: number(rate, { maximumFractionDigits: 1 }),
    });
  // Texts that change are new elements, which move nothing.
  const state = known ? "known" : marks.length ? "unknown" : "empty";
  return (
    <div class="door">
      <h1>{t("door.title")}</h1>
      <div class="row">
        <PickCollection value={collection} onChange={pick} />
        <Threshold value={threshold} onChange={setThreshold} />
      </div>
      <Problem error={error} />
      <div class="columns wide">
        <div ref={stage} class={`stage ${state}`}>
          <div class="frame">
            <div class="picture mirrored">
              <Camera onReady={setVideo} onEnd={() => setVideo(undefined)} />
              <div class="marks">
                {marks.map(({ box, label, kind }, n) => (
                  <div
                    key={n}
                    class={`mark ${kind}`}
                    // The picture is shown as a mirror shows it.
                    style={edges({ ...box, Left: 1 - (box.Left ?? 0) - (box.Width ?? 0) })}
                  >
                    <span>{label}</span>
                  </div>
                ))}
              </div>
            </div>
          </div>
          <p class="verdict" aria-live="assertive">
            <span key={verdict}>{verdict}</span>
          </p>
          <p class="row between">
            <small>
              <span key={speed}>{speed}</span>
            </small>
            {/* Some phones have it for videos only. */}
            {document.fullscreenEnabled && (
              <button class="secondary" onClick={() => void fill(stage.current)}>
                {t("door.full")}
              </button>
            )}
          </p>
        </div>
        {list}
      </div>
    </div>
  );
}

/** Enter full screen, or leave it. */
async function fill(element: HTMLElement | null): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await element?.requestFullscreen();
}

function mark(face: Searched, threshold: number): Marked {
  const [best] = face.FaceMatches;
  const known = passes(best, threshold);
  return {
    box: face.SearchedFaceBoundingBox,
    label: known ? nameOf(best) : t("door.stranger"),
    kind: known ? "known" : "unknown",
  };
}

/** Add those who pass now and did not pass a moment ago. */
function withNew(
  before: readonly Pass[],
  seen: readonly Searched[],
  threshold: number,
  now: Date,
): readonly Pass[] {
  const recent = new Set<string>();
  for (const { name, when } of before) {
    if (now.getTime() - when.getTime() >= AGAIN) break; // they are the newest first
    recent.add(name);
  }
  const fresh: Pass[] = [];
  for (const { FaceMatches } of seen) {
    const [best] = FaceMatches;
    if (!passes(best, threshold) || recent.has(nameOf(best))) continue;
    recent.add(nameOf(best));
    fresh.push({ when: now, name: nameOf(best), similarity: best.Similarity ?? 0 });
  }
  return fresh.length ? [...fresh, ...before] : before;
}

/** Look at the camera's picture again and again: the faces of the newest answer, and how fast. */
function useLooks(
  video: HTMLVideoElement | undefined,
  collection: string,
  onSeen: (faces: readonly Searched[]) => void,
) {
  const [state, setState] = useState<{ faces: readonly Searched[]; wait?: number; rate: number }>({
    faces: [],
    rate: 0,
  });
  const [error, fail] = useState<unknown>();
  const seen = useRef(onSeen);
  seen.current = onSeen;
  useEffect(() => {
    if (!video || !collection) return;
    const left = new AbortController();
    let newest = 0;
    let wait: number | undefined;
    let expiry: ReturnType<typeof setTimeout>;
    // Nobody is welcomed for what the camera saw before the answers ended.
    const forget = () => {
      clearTimeout(expiry);
      setState({ faces: [], rate: 0 });
    };
    const answered: number[] = [];
    const look = async () => {
      const started = performance.now();
      const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
      const photo = await jpegOf(video, video.videoWidth * scale, video.videoHeight * scale);
      const { SearchedFaces } = await searchAll(collection, photo, {
        threshold: 0,
        most: 1,
        quiet: newest > 0,
        signal: left.signal,
      });
      const now = performance.now();
      const last = now - started;
      wait = wait === undefined ? last : wait + (last - wait) / LOOKS;
      answered.push(now);
      while (answered.length > LOOKS) answered.shift();
      fail(undefined);
      if (left.signal.aborted || started < newest) return;
      newest = started;
      const span = now - answered[0]!;
      const faces = last < VALID ? SearchedFaces : [];
      clearTimeout(expiry);
      expiry = setTimeout(forget, VALID - last);
      setState({
        faces,
        wait,
        rate: span ? ((answered.length - 1) * 1000) / span : 0,
      });
      seen.current(faces);
    };
    const repeat = async () => {
      while (!left.signal.aborted) {
        try {
          await look();
        } catch (problem) {
          if (left.signal.aborted) return;
          forget();
          fail(problem);
          await new Promise((resolve) => setTimeout(resolve, 1000));
        }
      }
    };
    for (let n = 0; n < AT_ONCE; n++) void repeat();
    return () => {
      left.abort();
      forget();
    };
  }, [video, collection]);
  return { ...state, error };
}

function Log({ passes }: { passes: readonly Pass[] }) {
  const exported = () =>
    save(
      "passes.csv",
      "text/csv",
      [
        "time,name,similarity",
        ...passes.map(
          ({ when, name, similarity }) => `${when.toISOString()},${name},${similarity}`,
        ),
      ].join("\n"),
    );
  return (
    <section>
      <div class="row between">
        <h2>{t("door.log")}</h2>
        <button class="outline" disabled={!passes.length} onClick={exported}>
          {t("door.export")}
        </button>
      </div>
      {!passes.length && <p>{t("door.noPass")}</p>}
      {passes.length > LISTED && (
        <p>
          <small>{t("door.newest", { n: LISTED, all: passes.length })}</small>
        </p>
      )}
      <ol class="results">
        {passes.slice(0, LISTED).map(({ when, name, similarity }) => (
          <li key={`${when.getTime()} ${name}`} class="good">
            <div>
              <strong>{name}</strong>
              <small>
                {clock(when.getTime() / 1000)} · {similarityText(similarity)} ·{" "}
                {meaning(similarity)}
              </small>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
