import { config } from "../config";
import { t } from "../i18n";

const MIB = 1024 * 1024;
/**
 * Return the largest image in a request that has so many, in bytes. A deployment's functions take
 * 6 MB in all, as base64.
 */
const limit = (images: number): number => (config().machine ? 5 * MIB : (4 * MIB) / images);
/** The longer side of a photo that was too large, in pixels. More adds little to a face. */
const SIDE = 4096;

export const PHOTO_TYPES = "image/*";

/**
 * Return a photo's bytes as the API takes them: the file as it is, or, if it is too large or of
 * another format than JPEG and PNG, a JPEG of it, made in the browser.
 */
export async function bytesOf(file: Blob, { images = 1 } = {}): Promise<Uint8Array> {
  const most = limit(images);
  if (file.size <= most && ["image/jpeg", "image/png"].includes(file.type)) {
    return new Uint8Array(await file.arrayBuffer());
  }
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error(t("error.imageFormat")); // the browser's own words name no remedy
  });
  try {
    let scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
    let bytes: Uint8Array;
    do {
      bytes = await jpegOf(picture, picture.width * scale, picture.height * scale);
      scale *= 0.7;
    } while (bytes.length > most);
    return bytes;
  } finally {
    picture.close();
  }
}

/** Return a picture, or what a camera shows now, as a JPEG of the given size. */
export async function jpegOf(
  picture: ImageBitmap | HTMLVideoElement,
  width: number,
  height: number,
): Promise<Uint8Array> {
  const canvas = new OffscreenCanvas(Math.round(width), Math.round(height));
  canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  return new Uint8Array(await blob.arrayBuffer());
}
