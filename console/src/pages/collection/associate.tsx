import type { Face } from "@aws-sdk/client-rekognition";
import { useRef } from "preact/hooks";
import { call, pages } from "../../api/operations";
import { t } from "../../i18n";
import { Dialog } from "../../ui/dialog";
import { useFetched } from "../../ui/fetched";
import { Problem } from "../../ui/problem";
import { fieldsOf, useWork } from "../../ui/work";

interface Props {
  id: string;
  faces: readonly Face[];
  /** Called with whether faces may have changed: what fails may have been done in part. */
  onClose: (changed: boolean) => void;
}

const MOST = 100; // faces of one user, and in one AssociateFaces

/** Give the selected faces to a user, new or known, or take them from their users. */
export function Associate({ id, faces, onClose }: Props) {
  const { value: users = [] } = useFetched(async (signal) => {
    const found: string[] = [];
    for await (const page of pages("ListUsers", { CollectionId: id }, { signal, quiet: true })) {
      found.push(...(page.Users ?? []).map((each) => each.UserId ?? ""));
    }
    return found;
  });
  const { busy, error, run } = useWork();
  const tried = useRef(false);
  const owned = faces.filter((face) => face.UserId);
  const act = (work: () => Promise<void>) =>
    run(async () => {
      tried.current = true;
      await work();
      onClose(true);
    });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const { user = "" } = fieldsOf(event.currentTarget as HTMLFormElement);
    void act(() => move(id, user, faces, { known: users.includes(user) }));
  };
  return (
    <Dialog
      title={t("associate.title", { n: faces.length })}
      onClose={() => onClose(tried.current)}
    >
      <form onSubmit={submit}>
        <label>
          {t("associate.user")}
          <input
            name="user"
            list="users"
            required
            maxLength={128}
            pattern="[a-zA-Z0-9_.\-:]+"
            title={t("users.nameRule")}
            autofocus
          />
          <datalist id="users">
            {users.map((user) => (
              <option key={user} value={user} />
            ))}
          </datalist>
        </label>
        <p>{t("associate.how")}</p>
        <Problem error={error} />
        <div class="row">
          <button type="submit" aria-busy={busy}>
            {t("faces.associate")}
          </button>
          {owned.length > 0 && (
            <button type="button" class="secondary" onClick={() => act(() => release(id, owned))}>
              {t("associate.release", { n: owned.length })}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

/**
 * Move faces to a user, new or known, from the users that have them.
 *
 * A face that has left its user and is not taken by the next would have none. It is therefore known
 * before that there is room, and faces go back to their users if the move fails nevertheless.
 *
 * Raises an error, and changes nothing, if the user would have more faces than a user may have.
 */
export async function move(
  id: string,
  user: string,
  faces: readonly Face[],
  {
    known = false,
    without = [],
  }: {
    /** Whether the user is known to exist. */
    known?: boolean;
    /** Faces that the user has and is to lose. */
    without?: readonly Face[];
  } = {},
): Promise<void> {
  let total = faces.length;
  if (total <= MOST && (known || !(await create(id, user)))) {
    total = await sizeAfter(id, user, faces, without);
  }
  if (total > MOST) throw new Error(t("associate.most", { most: MOST, n: total }));
  await release(id, without);
  const taken = faces.filter((face) => face.UserId && face.UserId !== user);
  try {
    await release(id, taken);
    await give(
      id,
      user,
      faces.filter((face) => face.UserId !== user),
    );
  } catch (error) {
    for (const [UserId, some] of byUser(taken)) {
      // Those that the new user has got are refused.
      const FaceIds = some.map((face) => face.FaceId!);
      const input = { CollectionId: id, UserId, FaceIds, UserMatchThreshold: 0 };
      await call("AssociateFaces", input).catch(() => undefined);
    }
    throw error;
  }
}

/** Create a user, and return whether there was none. */
async function create(CollectionId: string, UserId: string): Promise<boolean> {
  try {
    await call("CreateUser", { CollectionId, UserId });
    return true;
  } catch (error) {
    if ((error as Error).name !== "ConflictException") throw error;
    return false;
  }
}

/** Return how many faces a user has after it has got and lost some. */
async function sizeAfter(
  CollectionId: string,
  UserId: string,
  faces: readonly Face[],
  without: readonly Face[],
): Promise<number> {
  const kept = new Set<string>();
  for await (const page of pages("ListFaces", { CollectionId, UserId }, { quiet: true })) {
    for (const { FaceId = "" } of page.Faces ?? []) kept.add(FaceId);
  }
  for (const face of without) kept.delete(face.FaceId!);
  for (const face of faces) kept.add(face.FaceId!);
  return kept.size;
}

/** Associate faces with a user, and raise an error if one was refused. */
export async function give(id: string, user: string, faces: readonly Face[]): Promise<void> {
  for (const some of chunks(faces)) {
    const { UnsuccessfulFaceAssociations: [refused] = [] } = await call("AssociateFaces", {
      CollectionId: id,
      UserId: user,
      FaceIds: some.map((face) => face.FaceId!),
      // A person has decided; the faces may look different.
      UserMatchThreshold: 0,
    });
    if (refused) throw new Error(`${refused.FaceId}: ${refused.Reasons?.join(", ")}`);
  }
}

/** Take faces from their users. */
export async function release(id: string, faces: readonly Face[]): Promise<void> {
  for (const [UserId, owned] of byUser(faces)) {
    for (const some of chunks(owned)) {
      await call("DisassociateFaces", {
        CollectionId: id,
        UserId,
        FaceIds: some.map((face) => face.FaceId!),
      });
    }
  }
}

/** Return faces by the users that have them. */
function byUser(faces: readonly Face[]): Map<string, Face[]> {
  const found = new Map<string, Face[]>();
  for (const face of faces) {
    const owned = found.get(face.UserId!);
    if (owned) owned.push(face);
    else found.set(face.UserId!, [face]);
  }
  return found;
}

/** Yield as many at a time as one request takes. */
export function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += MOST) yield all.slice(start, start + MOST);
}
