import type { BoundingBox } from "@aws-sdk/client-rekognition";
import { whenSignedOut } from "../api/session";

/**
 * Pictures of faces in photos that the user has opened in this tab, by FaceId. They are kept in the
 * tab's memory, never sent anywhere, and gone when it is closed, the user signs out, or the face or
 * its collection is deleted here: the server stores no photos.
 */
const kept = new Map<string, { url: string; collection: string }>();
/** Grows with each sign-out: what was begun before is not kept. */
let owners = 0;
whenSignedOut(() => {
  owners++;
  drop([...kept.keys()]);
});
const MOST = 2000;
const SIDE = 96;

export const thumbnail = (faceId: string): string | undefined => kept.get(faceId)?.url;

/** Keep a face's picture. Boxes are relative to the picture as the browser shows it, upright. */
export async function keep(
  collection: string,
  photo: ImageBitmap,
  faces: readonly { FaceId: string; BoundingBox: BoundingBox }[],
): Promise<void> {
  const owner = owners;
  for (const { FaceId, BoundingBox } of faces) {
    const canvas = new OffscreenCanvas(SIDE, SIDE);
    const { x, y, side } = square(BoundingBox, photo.width, photo.height);
    canvas.getContext("2d")!.drawImage(photo, x, y, side, side, 0, 0, SIDE, SIDE);
    const picture = await canvas.convertToBlob({ type: "image/webp" });
    if (owner !== owners) return;
    put(FaceId, URL.createObjectURL(picture), collection);
  }
}

export function drop(faceIds: readonly string[]): void {
  for (const id of faceIds) {
    const picture = kept.get(id);
    if (picture) URL.revokeObjectURL(picture.url);
    kept.delete(id);
  }
}

/** Drop the pictures of a collection that was deleted. */
export function forget(collection: string): void {
  drop([...kept].flatMap(([id, picture]) => (picture.collection === collection ? id : [])));
}

function put(faceId: string, url: string, collection: string): void {
  drop([faceId]);
  kept.set(faceId, { url, collection });
  const [oldest] = kept.keys();
  if (kept.size > MOST && oldest) drop([oldest]);
}

/** Return the square around a box, in pixels. */
function square({ Left = 0, Top = 0, Width = 0, Height = 0 }: BoundingBox, w: number, h: number) {
  const side = Math.max(Width * w, Height * h) * 1.2;
  return { x: (Left + Width / 2) * w - side / 2, y: (Top + Height / 2) * h - side / 2, side };
}
