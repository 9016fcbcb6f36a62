import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { key, whenSignedOut } from "../../api/session";
import { idOf } from "../../faces/names";
import { PHOTO_TYPES } from "../../faces/photo";
import { number, t } from "../../i18n";
import { Drop } from "../../ui/drop";
import { pathOf } from "../../ui/folders";
import { Rows } from "../../ui/rows";
import { index, type Result } from "./indexing";
import { Outcome } from "./outcome";

/** Photos that are indexed at the same time: enough to keep the server busy. */
const AT_ONCE = 3;
/** Height of a photo's row in pixels; on a narrow screen a reason takes more lines. */
const ROW = { wide: 68, narrow: 104 };
const NARROW = 520;

/** Where the ExternalImageIds come from. */
const NAMINGS = {
  file: "enrol.from.file",
  folder: "enrol.from.folder",
  fixed: "enrol.from.fixed",
} as const;
type Naming = keyof typeof NAMINGS;

/**
 * The photos that were added to each collection in this tab: they go on being added while other
 * pages are shown, and their results are wanted afterwards. One list for each, whose items are
 * replaced: as a state, thousands would be copied for each photo.
 */
const all = new Map<string, Result[]>();
export const resultsOf = (collection: string): Result[] | undefined => all.get(collection);
export const forgetResults = (collection: string): void => void all.delete(collection);
whenSignedOut(() => all.clear());

const changes = signal(0);
/** Drops of photos that have been worked on, and those that are. */
const ended = signal(0);
let underWay = 0;
/** Have the browser ask before the tab is closed. */
const warn = (event: Event): void => event.preventDefault();

/** Drop photos or folders; each photo's result, or the reason why a face was left out, is listed. */
export function Enrol({ id, onChange }: { id: string; onChange: () => void }) {
  const [naming, setNaming] = useState<Naming>("file");
  const [fixed, setFixed] = useState("");
  const [onlyBad, setOnlyBad] = useState(false);
  const batches = ended.value;
  const before = useRef(batches);
  useEffect(() => {
    if (batches !== before.current) onChange();
    before.current = batches;
  }, [batches]);
  const add = async (files: File[]) => {
    const results = resultsOf(id) ?? [];
    all.set(id, results);
    const put = (place: number, result: Result) => {
      results[place] = result;
      changes.value++;
    };
    let next = results.length;
    for (const file of files) results.push({ file, faces: [], left: [], state: "waiting" });
    const end = results.length;
    changes.value++;
    const name = naming === "fixed" && fixed ? () => fixed : NAMERS[naming];
    // Photos that are left when the user signs out are not added with the next one's key.
    const signer = key.peek();
    const work = async () => {
      while (next < end && key.peek() === signer) {
        const place = next++;
        const { file } = results[place]!;
        put(place, { ...results[place]!, state: "busy" });
        put(place, await index(id, file, idOf(name(file))));
      }
    };
    if (!underWay++) addEventListener("beforeunload", warn);
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (!--underWay) removeEventListener("beforeunload", warn);
    ended.value++;
  };
  changes.value; // drawn again for each
  const results = resultsOf(id) ?? [];
  const done = results.filter(({ state }) => state === "good" || state === "bad");
  const bad = done.filter(({ state }) => state === "bad");
  const shown = onlyBad ? bad : results;
  const faces = done.reduce((sum, each) => sum + each.faces.length, 0);
  return (
    <>
      <p>{t("enrol.how")}</p>
      <div class="row">
        <label>
          {t("enrol.naming")}
          <select
            value={naming}
            onChange={(event) => setNaming(event.currentTarget.value as Naming)}
          >
            {(Object.keys(NAMINGS) as Naming[]).map((each) => (
              <option key={each} value={each}>
                {t(NAMINGS[each])}
              </option>
            ))}
          </select>
        </label>
        {naming === "fixed" && (
          <label>
            {t("enrol.fixed")}
            <input
              value={fixed}
              onInput={(event) => setFixed(event.currentTarget.value)}
              maxLength={255}
            />
          </label>
        )}
      </div>
      <Drop label={t("enrol.drop")} accept={PHOTO_TYPES} multiple folders="also" onFiles={add} />
      {results.length > 0 && (
        <>
          <div class="progress" aria-live="polite">
            <progress value={done.length} max={results.length} aria-label={t("enrol.progress")} />
            <div class="row between">
              <span>
                {t("enrol.count", {
                  done: number(done.length),
                  total: number(results.length),
                  faces: number(faces),
                })}
              </span>
              <button
                class="outline"
                aria-pressed={onlyBad}
                disabled={!bad.length && !onlyBad}
                onClick={() => setOnlyBad(!onlyBad)}
              >
                {t("enrol.onlyBad", { n: bad.length })}
              </button>
            </div>
          </div>
          <Rows
            label={t("enrol.drop")}
            count={shown.length}
            height={innerWidth < NARROW ? ROW.narrow : ROW.wide}
            row={(n) => <Outcome result={shown[n]!} />}
          />
          {done.length === results.length && faces > 0 && (
            <p>
              <Link href="/who">{t("enrol.next")}</Link>
            </p>
          )}
        </>
      )}
    </>
  );
}

const folderOf = (file: File): string => pathOf(file).split("/").at(-2) ?? stem(file.name);
const NAMERS: Record<Naming, (file: File) => string> = {
  file: (file) => stem(file.name),
  folder: folderOf,
  fixed: (file) => stem(file.name),
};

const stem = (name: string): string => name.replace(/\.\w+$/, "");
