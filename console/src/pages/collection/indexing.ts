import type { FaceRecord, UnindexedFace } from "@aws-sdk/client-rekognition";
import { call } from "../../api/operations";
import { key } from "../../api/session";
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
    const answer = await call("IndexFaces", {
      CollectionId: collection,
      Image: { Bytes: await bytesOf(file) },
      ExternalImageId: externalId,
    });
    photo.faces = answer.FaceRecords ?? [];
    photo.left = answer.UnindexedFaces ?? [];
  } catch (error) {
    return { ...photo, error };
  }
  // The faces are added even if this browser cannot draw the photo.
  if (key.peek() === signer) await picture(collection, file, photo.faces).catch(() => undefined);
  return photo.faces.length ? { ...photo, state: "good" } : photo;
}

async function picture(
  collection: string,
  file: File,
  faces: readonly FaceRecord[],
): Promise<void> {
  const photo = await createImageBitmap(file);
  try {
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
