import type { FaceRecord, UnindexedFace } from "@aws-sdk/client-rekognition";
import { call } from "../../api/operations";
import { key, type Key } from "../../api/session";
import { bytesOf } from "../../faces/photo";
import { keep } from "../../faces/thumbnails";

/** A photo that is added, and what became of it. */
export interface Result {
  file: File;
  state: "waiting" | "busy" | "good" | "bad";
  faces: FaceRecord[];
  left: UnindexedFace[];
  error?: unknown;
}

/** Add the faces of a photo to a collection, and return what became of it. */
export async function index(collection: string, file: File, externalId: string): Promise<Result> {
  const photo: Result = { file, state: "bad", faces: [], left: [] };
  const signer = key.peek();
  try {
    const bytes = await bytesOf(file);
    if (key.peek() !== signer) return photo; // else the next user's key would add it
    const answer = await call("IndexFaces", {
      CollectionId: collection,
      Image: { Bytes: bytes },
      ExternalImageId: externalId,
    });
    photo.faces = answer.FaceRecords ?? [];
    photo.left = answer.UnindexedFaces ?? [];
  } catch (error) {
    return { ...photo, error };
  }
  // The faces are added even if this browser cannot draw the photo.
  await picture(collection, file, photo.faces, signer).catch(() => undefined);
  return photo.faces.length ? { ...photo, state: "good" } : photo;
}

async function picture(
  collection: string,
  file: File,
  faces: readonly FaceRecord[],
  signer: Key | null,
): Promise<void> {
  const photo = await createImageBitmap(file);
  try {
    if (key.peek() !== signer) return; // signed out while the photo was decoded
    await keep(
      collection,
      photo,
      faces.map(({ Face }) => ({
        FaceId: Face?.FaceId ?? "",
        BoundingBox: Face?.BoundingBox ?? {},
      })),
    );
  } finally {
    photo.close();
  }
}
