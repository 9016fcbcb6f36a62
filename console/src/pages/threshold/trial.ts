import { call } from "../../api/operations";
import { deleteAtEnd } from "../../api/rest";
import { unique } from "../../api/unique";
import { bytesOf } from "../../faces/photo";
import { pathOf } from "../../ui/folders";

/** Similarities of all pairs of photos: of the same person, and of different people. */
export interface Scores {
  genuine: number[];
  impostor: number[];
  /** Photos in which no face was found, or that could not be read. */
  left: string[];
}

/** The most photos that SearchFaces can compare with each other: its most matches. */
export const MOST = 4096;
const AT_ONCE = 3;

/**
 * Compare every photo of a folder with every other, by a collection that is deleted at the end.
 *
 * A person is a folder: photos in one folder show the same person.
 */
export async function compareAll(
  files: readonly File[],
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Scores> {
  const CollectionId = `console-threshold-${unique()}`;
  const scores: Scores = { genuine: [], impostor: [], left: [] };
  const cancel = deleteAtEnd(`/v1/collections/${CollectionId}`);
  // Without the signal: a collection whose creation was not waited for would not be deleted.
  await call("CreateCollection", { CollectionId });
  try {
    const people = new Map<string, string>();
    let done = 0;
    const total = files.length * 2;
    await each(files, async (file) => {
      const face = await index(CollectionId, file, signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
        return undefined;
      });
      if (face) people.set(face, personOf(file));
      else scores.left.push(pathOf(file));
      onProgress(++done, total);
    });
    const ids = [...people.keys()];
    await each(ids, async (FaceId, n) => {
      const { FaceMatches = [] } = await call(
        "SearchFaces",
        { CollectionId, FaceId, FaceMatchThreshold: 0, MaxFaces: MOST },
        { signal, quiet: n > 0 },
      );
      const found = new Map(
        FaceMatches.map((match) => [match.Face?.FaceId, match.Similarity ?? 0]),
      );
      for (const other of ids.slice(n + 1)) {
        const same = people.get(FaceId) === people.get(other);
        scores[same ? "genuine" : "impostor"].push(found.get(other) ?? 0);
      }
      onProgress(++done, total);
    });
  } finally {
    await call("DeleteCollection", { CollectionId }, { quiet: true });
    cancel();
  }
  return scores;
}

async function index(
  CollectionId: string,
  file: File,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { FaceRecords: [first] = [] } = await call(
    "IndexFaces",
    { CollectionId, Image: { Bytes: await bytesOf(file) }, MaxFaces: 1, QualityFilter: "NONE" },
    { signal, quiet: true },
  );
  return first?.Face?.FaceId;
}

/** Return the folder of a file that was dropped with its folder, or "". */
export function personOf(file: File): string {
  return pathOf(file).split("/").slice(0, -1).join("/");
}

/** Do work for each item, some at the same time. */
async function each<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const run = async () => {
    while (next < items.length) {
      const index = next++;
      await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
}
