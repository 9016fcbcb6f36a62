import { t } from "../i18n";

/** The largest image in a request, in bytes. */
const LIMIT = 5 * 1024 * 1024;
/** The longer side of a photo that was too large, in pixels. More adds little to a face. */
const SIDE = 4096;

export const PHOTO_TYPES = "image/*";

/**
 * Return a photo's bytes as the API takes them: the file as it is, or, if it is too large or of
 * another format than JPEG and PNG, a JPEG of it, made in the browser.
 */
export async function bytesOf(file: Blob): Promise<Uint8Array> {
  if (file.size <= LIMIT && ["image/jpeg", "image/png"].includes(file.type)) {
    return new Uint8Array(await file.arrayBuffer());
  }
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error(t("error.imageFormat")); // the browser's own words name no remedy
  });
  try {
    const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
    return await jpegOf(picture, picture.width * scale, picture.height * scale);
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
