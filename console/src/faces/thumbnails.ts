import type { BoundingBox } from "@aws-sdk/client-rekognition";
import { whenSignedOut } from "../api/session";

/**
 * Pictures of faces in photos that the user has opened in this tab, by FaceId. They are kept in the
 * tab's memory, never sent anywhere, and gone when it is closed or the user signs out: the server
 * stores no photos.
 */
const kept = new Map<string, string>();
whenSignedOut(() => drop([...kept.keys()]));
const MOST = 2000;
const SIDE = 96;

export const thumbnail = (faceId: string): string | undefined => kept.get(faceId);

/** Keep a face's picture. Boxes are relative to the picture as the browser shows it, upright. */
export async function keep(
  photo: ImageBitmap,
  faces: readonly { FaceId: string; BoundingBox: BoundingBox }[],
): Promise<void> {
  for (const { FaceId, BoundingBox } of faces) {
    const canvas = new OffscreenCanvas(SIDE, SIDE);
    const { x, y, side } = square(BoundingBox, photo.width, photo.height);
    canvas.getContext("2d")!.drawImage(photo, x, y, side, side, 0, 0, SIDE, SIDE);
    put(FaceId, URL.createObjectURL(await canvas.convertToBlob({ type: "image/webp" })));
  }
}

export function drop(faceIds: readonly string[]): void {
  for (const id of faceIds) {
    const url = kept.get(id);
    if (url) URL.revokeObjectURL(url);
    kept.delete(id);
  }
}

function put(faceId: string, url: string): void {
  drop([faceId]);
  kept.set(faceId, url);
  const [oldest] = kept.keys();
  if (kept.size > MOST && oldest) drop([oldest]);
}

/** Return the square around a box, in pixels. */
function square({ Left = 0, Top = 0, Width = 0, Height = 0 }: BoundingBox, w: number, h: number) {
  const side = Math.max(Width * w, Height * h) * 1.2;
  return { x: (Left + Width / 2) * w - side / 2, y: (Top + Height / 2) * h - side / 2, side };
}
