import type { Face } from "@aws-sdk/client-rekognition";
import { useState } from "preact/hooks";
import { call, pages } from "../../api/operations";
import { t } from "../../i18n";
import { Dialog } from "../../ui/dialog";
import { useFetched } from "../../ui/fetched";
import { Problem } from "../../ui/problem";

interface Props {
  id: string;
  faces: readonly Face[];
  onClose: (changed: boolean) => void;
}

const MOST = 100; // faces in one AssociateFaces

/** Give the selected faces to a user, new or known, or take them from their users. */
export function Associate({ id, faces, onClose }: Props) {
  const { value: users = [] } = useFetched(async (signal) => {
    const found: string[] = [];
    for await (const page of pages("ListUsers", { CollectionId: id }, { signal, quiet: true })) {
      found.push(...(page.Users ?? []).map((each) => each.UserId ?? ""));
    }
    return found;
  });
  const [error, fail] = useState<unknown>();
  const owned = faces.filter((face) => face.UserId);
  const run = async (work: () => Promise<void>) => {
    try {
      await work();
      onClose(true);
    } catch (problem) {
      fail(problem);
    }
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const user = String(new FormData(event.currentTarget as HTMLFormElement).get("user"));
    void run(async () => {
      if (!users.includes(user)) await call("CreateUser", { CollectionId: id, UserId: user });
      await release(
        id,
        faces.filter((face) => face.UserId && face.UserId !== user),
      );
      await give(
        id,
        user,
        faces.filter((face) => face.UserId !== user),
      );
    });
  };
  return (
    <Dialog title={t("associate.title", { n: faces.length })} onClose={() => onClose(false)}>
      <form onSubmit={submit}>
        <label>
          {t("associate.user")}
          <input
            name="user"
            list="users"
            required
            maxLength={128}
            pattern="[a-zA-Z0-9_.\-:]+"
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
          <button type="submit">{t("faces.associate")}</button>
          {owned.length > 0 && (
            <button type="button" class="secondary" onClick={() => run(() => release(id, owned))}>
              {t("associate.release", { n: owned.length })}
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
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
  for (const user of new Set(faces.map((face) => face.UserId!))) {
    for (const some of chunks(faces.filter((face) => face.UserId === user))) {
      await call("DisassociateFaces", {
        CollectionId: id,
        UserId: user,
        FaceIds: some.map((face) => face.FaceId!),
      });
    }
  }
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += MOST) yield all.slice(start, start + MOST);
}
