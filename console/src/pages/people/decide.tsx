import type { Face } from "@aws-sdk/client-rekognition";
import { useEffect, useState } from "preact/hooks";
import { call } from "../../api/operations";
import { distinguish, type Group } from "../../api/people";
import { similarityText } from "../../faces/matching";
import { readable } from "../../faces/names";
import { thumbnail } from "../../faces/thumbnails";
import { t } from "../../i18n";
import { Problem } from "../../ui/problem";
import { chunks, give, move } from "../collection/associate";
import { Outline } from "../collection/outline";

const MOST_LETTERS = 128; // in a UserId

interface Props {
  collection: string;
  group: Group;
  onDone: () => void;
}

/** One group, and the decision about it: one person, two people, or some of the faces. */
export function Decide({ collection, group, onDone }: Props) {
  const { Faces, UserIds, Similarity } = group;
  const [chosen, choose] = useState<ReadonlySet<string>>(
    () => new Set(Faces.map((face) => face.FaceId!)),
  );
  const [user, setUser] = useState(UserIds[0] ?? proposal(Faces));
  const [error, fail] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  // A decided group stays until the faces are compared again, and is not decided twice.
  const [decided, setDecided] = useState(false);
  useEffect(() => setDecided(false), [group]);
  const run = (work: () => Promise<void>) => async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    fail(undefined);
    try {
      await work();
      setDecided(true);
    } catch (problem) {
      fail(problem);
    } finally {
      setBusy(false);
      // Also after an error: a part may have been done, after which users have other faces.
      onDone();
    }
  };
  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  const inside = Faces.filter((face) => chosen.has(face.FaceId!));
  const outside = Faces.filter((face) => !chosen.has(face.FaceId!));
  const yes = run(async () => {
    await merge(collection, user, inside, {
      known: UserIds.includes(user),
      without: outside.filter((face) => face.UserId === user),
    });
    await part(collection, user, outside);
  });
  const no = run(() => separate(collection, Faces, UserIds));
  return (
    <form class="group" onSubmit={yes} aria-busy={busy || decided}>
      <ul class="faces">
        {Faces.map((face) => (
          <li key={face.FaceId}>
            <label>
              <input
                type="checkbox"
                checked={chosen.has(face.FaceId!)}
                onChange={() => toggle(face.FaceId!)}
              />
              <Portrait face={face} />
              <strong>{readable(face.ExternalImageId ?? face.FaceId ?? "")}</strong>
              <small>{face.UserId ? readable(face.UserId) : t("people.nobody")}</small>
            </label>
          </li>
        ))}
      </ul>
      <p>
        <small>
          {t("people.similarity", { n: similarityText(Similarity) })}
          {UserIds.length > 1 &&
            ` · ${t("people.several", { users: UserIds.map(readable).join(", ") })}`}
        </small>
      </p>
      <Problem error={error} />
      <div class="row">
        <label class="grow">
          <span class="hidden">{t("associate.user")}</span>
          <input
            value={user}
            required
            maxLength={128}
            pattern="[a-zA-Z0-9_.\-:]+"
            title={t("users.nameRule")}
            placeholder={t("associate.user")}
            onInput={(event) => setUser(event.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={busy || decided || inside.length < 1}>
          {t(outside.length ? "people.some" : "people.yes")}
        </button>
        <button type="button" class="secondary" disabled={busy || decided} onClick={no}>
          {t("people.no")}
        </button>
      </div>
    </form>
  );
}

function Portrait({ face }: { face: Face }) {
  const source = thumbnail(face.FaceId ?? "");
  return source ? <img src={source} alt="" width={64} height={64} /> : <Outline face={face} />;
}

/** Return a name for a new user: the shortest ExternalImageId, as "ann" of "ann" and "ann-2019". */
function proposal(faces: readonly Face[]): string {
  const names = faces.flatMap((face) => face.ExternalImageId ?? []).sort();
  return names.reduce((best, name) => (name.length < best.length ? name : best), names[0] ?? "");
}

/**
 * Give faces to one user, new or known, and take from it those left out; users of the group that
 * have no faces left are deleted.
 */
async function merge(
  CollectionId: string,
  user: string,
  faces: readonly Face[],
  options: { known: boolean; without: readonly Face[] },
): Promise<void> {
  await move(CollectionId, user, faces, options);
  const others = faces.filter((face) => face.UserId && face.UserId !== user);
  for (const UserId of new Set(others.map((face) => face.UserId!))) {
    const { Faces = [] } = await call(
      "ListFaces",
      { CollectionId, UserId, MaxResults: 1 },
      { quiet: true },
    );
    if (!Faces.length) await call("DeleteUser", { CollectionId, UserId });
  }
}

/** Remember that faces are not a user's. */
async function part(collection: string, user: string, faces: readonly Face[]): Promise<void> {
  for (const some of chunks(faces)) {
    await distinguish(
      collection,
      user,
      some.map((face) => face.FaceId!),
    );
  }
}

/** Create a user for one face, with its name, or its FaceId if another user has the name. */
async function own(CollectionId: string, face: Face, quiet: boolean): Promise<string> {
  const { FaceId = "", ExternalImageId: name = "" } = face;
  for (const UserId of name && name.length <= MOST_LETTERS ? [name, FaceId] : [FaceId]) {
    try {
      await call("CreateUser", { CollectionId, UserId }, { quiet });
      return UserId;
    } catch (error) {
      if ((error as Error).name !== "ConflictException" || UserId === FaceId) throw error;
    }
  }
  return FaceId;
}

/** Remember that no two of these faces are one person, except faces of one user. */
async function separate(
  CollectionId: string,
  faces: readonly Face[],
  users: readonly string[],
): Promise<void> {
  const known = new Map(users.map((user) => [user, faces.filter((face) => face.UserId === user)]));
  for (const face of faces.filter((each) => !each.UserId)) {
    // A face without a user becomes the only one of a user of its own.
    const user = await own(CollectionId, face, known.size > 0);
    await give(CollectionId, user, [face]);
    known.set(user, [face]);
  }
  for (const [user, owned] of known) {
    await part(
      CollectionId,
      user,
      faces.filter((face) => !owned.includes(face)),
    );
  }
}
