import type { Face } from "@aws-sdk/client-rekognition";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../../api/operations";
import { readable } from "../../faces/names";
import { drop, thumbnail } from "../../faces/thumbnails";
import { number, percent, t } from "../../i18n";
import { Confirm } from "../../ui/confirm";
import { Problem } from "../../ui/problem";
import { Rows } from "../../ui/rows";
import { Associate, release } from "./associate";
import { Outline } from "./outline";

interface Props {
  id: string;
  /** Show the faces of this user only. */
  user: string | undefined;
  /** How often photos have been added on this page: the list then has others. */
  added: number;
  onUser: (user: string | undefined) => void;
  onChange: () => void;
  onEnrol: () => void;
}

const PAGE = 4096; // the most that ListFaces returns
const MOST_IDS = 4096; // the most that DeleteFaces takes

/** The faces of a collection, fetched page by page as the reader scrolls. */
export function Faces({ id, user, added, onUser, onChange, onEnrol }: Props) {
  const { faces, error, ended, more, forget } = useFaces(id, user, added);
  const [filter, setFilter] = useState("");
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [doing, setDoing] = useState<"associate" | "delete">();
  const tried = useRef(false);
  const wanted = filter.toLowerCase();
  const shown = wanted
    ? faces.filter((face) =>
        [face.ExternalImageId, face.FaceId, face.UserId].some(
          (text) =>
            text &&
            (text.toLowerCase().includes(wanted) || readable(text).toLowerCase().includes(wanted)),
        ),
      )
    : faces;
  useEffect(() => {
    // Filtering needs all faces.
    if (wanted && !ended) more();
  }, [wanted, faces.length, ended]);
  const toggle = (faceId: string) => {
    const next = new Set(selected);
    if (!next.delete(faceId)) next.add(faceId);
    setSelected(next);
  };
  const chosen = doing ? faces.filter((face) => selected.has(face.FaceId!)) : [];
  const close = (changed: boolean) => {
    setDoing(undefined);
    // What has failed may have been done in part.
    if (!changed && !tried.current) return;
    tried.current = false;
    setSelected(new Set());
    forget();
    onChange();
  };
  if (ended && !faces.length) {
    return (
      <section class="empty">
        <h2>{t(user ? "faces.noneOfUser" : "faces.none")}</h2>
        {user ? (
          <button onClick={() => onUser(undefined)}>{t("faces.all")}</button>
        ) : (
          <button onClick={onEnrol}>{t("collection.enrol")}</button>
        )}
      </section>
    );
  }
  return (
    <>
      <div class="row">
        <input
          type="search"
          aria-label={t("faces.filter")}
          placeholder={t("faces.filter")}
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
        {user && (
          <button class="outline" onClick={() => onUser(undefined)}>
            {t("faces.ofUser", { user: readable(user) })} ✕
          </button>
        )}
      </div>
      <Problem error={error} />
      <div class="row" aria-live="polite">
        <span>{t(ended ? "faces.count" : "faces.countSoFar", { n: number(shown.length) })}</span>
        {selected.size > 0 && (
          <>
            <strong>{t("faces.selected", { n: selected.size })}</strong>
            <button onClick={() => setDoing("associate")}>{t("faces.associate")}</button>
            <button class="secondary" onClick={() => setDoing("delete")}>
              {t("faces.delete")}
            </button>
            <button class="outline" onClick={() => setSelected(new Set())}>
              {t("faces.clear")}
            </button>
          </>
        )}
      </div>
      <Rows
        label={t("collection.faces")}
        count={shown.length}
        height={64}
        onEnd={more}
        row={(n) => (
          <FaceRow
            face={shown[n]!}
            on={selected.has(shown[n]!.FaceId!)}
            onToggle={toggle}
            onUser={onUser}
          />
        )}
      />
      {doing === "associate" && <Associate id={id} faces={chosen} onClose={close} />}
      {doing === "delete" && (
        <Confirm
          title={t("faces.delete")}
          action={t("faces.delete")}
          work={() => {
            tried.current = true;
            return remove(id, chosen);
          }}
          onClose={close}
        >
          {t("faces.deleteSure", { n: chosen.length })}
        </Confirm>
      )}
    </>
  );
}

interface RowProps {
  face: Face;
  on: boolean;
  onToggle: (faceId: string) => void;
  onUser: (user: string) => void;
}

function FaceRow({ face, on, onToggle, onUser }: RowProps) {
  const { FaceId = "", ExternalImageId, UserId, Confidence = 0 } = face;
  const source = thumbnail(FaceId);
  return (
    <label class="face">
      <input type="checkbox" checked={on} onChange={() => onToggle(FaceId)} />
      {source ? <img src={source} alt="" width={48} height={48} /> : <Outline face={face} />}
      <span class="grow">
        <strong title={ExternalImageId}>{ExternalImageId ? readable(ExternalImageId) : "–"}</strong>
        <small>{FaceId}</small>
      </span>
      {UserId && (
        <button class="outline user" title={UserId} onClick={() => onUser(UserId)}>
          {readable(UserId)}
        </button>
      )}
      <small class="number">{percent(Confidence)}</small>
    </label>
  );
}

/** Delete faces; those of users too, which Rekognition itself refuses. */
async function remove(id: string, faces: readonly Face[]): Promise<void> {
  await release(
    id,
    faces.filter((face) => face.UserId),
  );
  const faceIds = faces.map((face) => face.FaceId!);
  for (let start = 0; start < faceIds.length; start += MOST_IDS) {
    const some = faceIds.slice(start, start + MOST_IDS);
    const { UnsuccessfulFaceDeletions = [] } = await call("DeleteFaces", {
      CollectionId: id,
      FaceIds: some,
    });
    const [refused] = UnsuccessfulFaceDeletions;
    const kept = new Set(UnsuccessfulFaceDeletions.map(({ FaceId }) => FaceId));
    drop(some.filter((each) => !kept.has(each)));
    if (refused)
      throw new Error(
        t("faces.notDeleted", {
          face: refused.FaceId ?? "",
          reason: refused.Reasons?.join(", ") ?? "",
        }),
      );
  }
}

/** Fetch the faces of a collection, a page at a time. */
function useFaces(id: string, user: string | undefined, added: number) {
  const [faces, setFaces] = useState<Face[]>([]);
  const [ended, setEnded] = useState(false);
  const [error, setError] = useState<unknown>();
  const [round, setRound] = useState(0);
  // One object for each list, so that an answer for an earlier list is recognised and dropped.
  const list = useRef<{ next?: string | undefined; busy: boolean; left: AbortController }>();
  const more = async () => {
    const current = list.current;
    if (!current || current.busy) return;
    current.busy = true;
    try {
      const { Faces = [], NextToken } = await call(
        "ListFaces",
        { CollectionId: id, UserId: user, MaxResults: PAGE, NextToken: current.next },
        { signal: current.left.signal, quiet: current.next !== undefined || round > 0 },
      );
      if (list.current !== current) return;
      current.next = NextToken;
      current.busy = NextToken === undefined;
      setFaces((before) => [...before, ...Faces]);
      setEnded(NextToken === undefined);
    } catch (problem) {
      // Busy for ever: scrolling does not repeat what failed.
      if (list.current === current) setError(problem);
    }
  };
  useEffect(() => {
    list.current = { busy: false, left: new AbortController() };
    setFaces([]);
    setEnded(false);
    setError(undefined);
    void more();
    return () => {
      list.current?.left.abort();
      list.current = undefined;
    };
  }, [id, user, added, round]);
  return { faces, error, ended, more, forget: () => setRound((n) => n + 1) };
}
