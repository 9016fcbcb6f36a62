import type { FaceRecord, UnindexedFace } from "@aws-sdk/client-rekognition";
import { useState } from "preact/hooks";
import { explain } from "../../api/explain";
import { call } from "../../api/operations";
import { bytesOf, PHOTO_TYPES } from "../../faces/photo";
import { keep, thumbnail } from "../../faces/thumbnails";
import { number, t } from "../../i18n";
import { Drop } from "../../ui/drop";
import { reason } from "./reasons";

/** The result of one photo. */
interface Result {
  name: string;
  faces: FaceRecord[];
  left: UnindexedFace[];
  error?: unknown;
}

/** Photos that are indexed at the same time: enough to keep the server busy. */
const AT_ONCE = 3;

/** Drop photos; each one's result, or the reason why a face was left out, is listed. */
export function Enrol({ id, onChange }: { id: string; onChange: () => void }) {
  const [results, setResults] = useState<Result[]>([]);
  const [total, setTotal] = useState(0);
  const [fixed, setFixed] = useState("");
  const add = async (files: File[]) => {
    setTotal((n) => n + files.length);
    const waiting = [...files];
    const work = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        const result = await index(id, file, fixed || idOf(file.name));
        setResults((before) => [result, ...before]);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    onChange();
  };
  const found = results.reduce((sum, each) => sum + each.faces.length, 0);
  return (
    <>
      <p>{t("enrol.how")}</p>
      <label>
        {t("enrol.fixed")}
        <input
          value={fixed}
          onInput={(event) => setFixed(event.currentTarget.value)}
          pattern="[a-zA-Z0-9_.\-:]+"
          maxLength={255}
          placeholder={t("enrol.fromName")}
        />
      </label>
      <Drop label={t("enrol.drop")} accept={PHOTO_TYPES} multiple onFiles={add} />
      {total > 0 && (
        <div aria-live="polite">
          <progress value={results.length} max={total} aria-label={t("enrol.progress")} />
          <p>
            {t("enrol.count", {
              done: number(results.length),
              total: number(total),
              faces: number(found),
            })}
          </p>
        </div>
      )}
      <ul class="results">
        {results.map((result, n) => (
          <li
            key={results.length - n}
            class={result.error || !result.faces.length ? "bad" : "good"}
          >
            {result.faces.map(({ Face }) => {
              const source = thumbnail(Face?.FaceId ?? "");
              return (
                source && <img key={Face?.FaceId} src={source} alt="" width={48} height={48} />
              );
            })}
            <div>
              <strong>{result.name}</strong>
              <small>{outcome(result)}</small>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

async function index(collection: string, file: File, externalId: string): Promise<Result> {
  const result: Result = { name: file.name, faces: [], left: [] };
  try {
    const answer = await call("IndexFaces", {
      CollectionId: collection,
      Image: { Bytes: await bytesOf(file) },
      ExternalImageId: externalId,
    });
    result.faces = answer.FaceRecords ?? [];
    result.left = answer.UnindexedFaces ?? [];
  } catch (error) {
    result.error = error;
    return result;
  }
  // The faces are added even if this browser cannot draw the photo.
  await picture(file, result.faces).catch(() => undefined);
  return result;
}

async function picture(file: File, faces: readonly FaceRecord[]): Promise<void> {
  const photo = await createImageBitmap(file);
  await keep(
    photo,
    faces.map(({ Face }) => ({
      FaceId: Face?.FaceId ?? "",
      BoundingBox: Face?.BoundingBox ?? {},
    })),
  );
  photo.close();
}

function outcome({ faces, left, error }: Result): string {
  if (error) return explain(error);
  const parts = [
    faces.length || left.length ? t("enrol.faces", { n: faces.length }) : t("enrol.none"),
  ];
  for (const face of left) parts.push((face.Reasons ?? []).map(reason).join(", "));
  return parts.join(" · ");
}

/** Return an ExternalImageId for a file: its name without folder and extension. */
function idOf(name: string): string {
  const stem = name.replace(/\.\w+$/, "").normalize("NFKD");
  return stem.replace(/[^a-zA-Z0-9_.\-:]+/g, "_").slice(0, 255) || "_";
}
