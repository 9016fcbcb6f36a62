import { explain } from "../../api/explain";
import { thumbnail } from "../../faces/thumbnails";
import { t } from "../../i18n";
import { pathOf } from "../../ui/folders";
import type { Result } from "./indexing";
import { reason } from "./reasons";

/** Faces of a photo whose pictures are shown. */
const SHOWN = 3;

/** One photo that was added: its name, its faces, and what became of it in words. */
export function Outcome({ result }: { result: Result }) {
  const path = pathOf(result.file);
  return (
    <div class={`face photo ${result.state}`}>
      <span class="grow">
        <strong title={path}>{path}</strong>
        <small>{words(result)}</small>
      </span>
      {result.faces.slice(0, SHOWN).map(({ Face }) => {
        const source = thumbnail(Face?.FaceId ?? "");
        return source && <img key={Face?.FaceId} src={source} alt="" width={48} height={48} />;
      })}
    </div>
  );
}

function words({ state, faces, left, error }: Result): string {
  if (state === "waiting") return t("enrol.waiting");
  if (state === "busy") return t("enrol.busy");
  if (error) return explain(error);
  const parts = [
    faces.length || left.length ? t("enrol.faces", { n: faces.length }) : t("enrol.none"),
  ];
  for (const face of left) parts.push((face.Reasons ?? []).map(reason).join(", "));
  return parts.join(" · ");
}
