import { useEffect, useState } from "preact/hooks";
import { groupFaces, type Grouping } from "../../api/people";
import { number, t } from "../../i18n";
import { lastCollection, PickCollection } from "../../ui/pick-collection";
import { Problem } from "../../ui/problem";
import { Threshold } from "../../ui/threshold";
import { Decide } from "./decide";

/** The slider rests for this time before faces are compared, which costs the server much. */
const REST = 300; // milliseconds

/** Duplicates and unknowns: faces that look like one person and do not all belong to one user. */
export default function People() {
  const [collection, pick] = useState(lastCollection());
  const [similarity, setSimilarity] = useState(99);
  const [found, setFound] = useState<Grouping>();
  const [error, fail] = useState<unknown>();
  const [round, setRound] = useState(0);
  useEffect(() => setFound(undefined), [collection]);
  useEffect(() => {
    if (!collection) return;
    const left = new AbortController();
    fail(undefined);
    const timer = setTimeout(() => {
      groupFaces(collection, similarity, left.signal).then(setFound, (problem) => {
        if (!left.signal.aborted) fail(problem);
      });
    }, REST);
    return () => {
      clearTimeout(timer);
      left.abort();
    };
  }, [collection, similarity, round]);
  return (
    <>
      <h1>{t("people.title")}</h1>
      <p>{t("people.how")}</p>
      <div class="row">
        <PickCollection value={collection} onChange={pick} />
        <Threshold value={similarity} onChange={setSimilarity} />
      </div>
      <Problem error={error} />
      <div aria-live="polite">
        {!found && collection && !error && <p aria-busy="true">{t("people.comparing")}</p>}
        {found && (
          <p>
            {t("people.count", {
              groups: number(found.GroupCount),
              faces: number(found.FaceCount),
            })}
          </p>
        )}
        {found && found.Groups.length < found.GroupCount && (
          <p>{t("people.largest", { n: found.Groups.length })}</p>
        )}
        {found?.GroupCount === 0 && <p class="empty">{t("people.none")}</p>}
      </div>
      {found?.Groups.map((group) => (
        <Decide
          key={group.Faces.map((face) => face.FaceId).join()}
          collection={collection}
          group={group}
          onDone={() => setRound((n) => n + 1)}
        />
      ))}
    </>
  );
}
