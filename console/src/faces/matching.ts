import type { BoundingBox, Face, FaceDetail, FaceMatch } from "@aws-sdk/client-rekognition";
import { note } from "../api/calls";
import { rest } from "../api/rest";
import { number, t } from "../i18n";
import { readable } from "./names";

export interface Searched {
  SearchedFaceBoundingBox: BoundingBox;
  SearchedFaceConfidence: number;
  FaceMatches: FaceMatch[];
}

export interface SearchedFaces {
  SearchedFaces: Searched[];
  UnsearchedFaces: { FaceDetails: FaceDetail; Reasons: string[] }[];
}

/** Search a collection with every face of a photo, by the API's extension of SearchFacesByImage. */
export async function searchAll(
  collection: string,
  photo: Uint8Array,
  {
    threshold,
    most,
    quiet = false,
    signal,
  }: { threshold: number; most: number; quiet?: boolean; signal?: AbortSignal },
): Promise<SearchedFaces> {
  if (!quiet) {
    // The nearest call of the SDKs, which searches with the largest face alone.
    note("SearchFacesByImage", {
      CollectionId: collection,
      Image: { Bytes: photo },
      FaceMatchThreshold: threshold,
      MaxFaces: most,
    });
  }
  return rest(
    "POST",
    `/v1/collections/${encodeURIComponent(collection)}/search`,
    { faces: "all", FaceMatchThreshold: String(threshold), MaxFaces: String(most) },
    { type: "image/jpeg", content: photo },
    signal,
  );
}

/** Return whether a match is as similar as wanted. */
export const passes = (match: FaceMatch | undefined, threshold: number): match is FaceMatch =>
  match !== undefined && (match.Similarity ?? 0) >= threshold;

/** Return the name of who a face resembles: its user, or else the face. */
export const nameOf = ({ Face }: { Face?: Face | undefined }): string =>
  readable(Face?.UserId ?? Face?.ExternalImageId ?? Face?.FaceId ?? "");

/**
 * Return a similarity as text. It is never rounded up: what is below a threshold would look as if it
 * had reached it, and what is less than certain as if it were 100.
 */
export const similarityText = (similarity: number): string =>
  number(similarity, { maximumFractionDigits: 2, roundingMode: "floor" });

/**
 * Say what a similarity means: 100 - Similarity is the expected number of false matches in 10,000
 * comparisons of different people (docs/accuracy.md).
 */
export function meaning(similarity: number): string {
  // What is below 0 on this scale is 0.
  if (similarity <= 0) return t("match.more", { n: 100 });
  if (similarity > 99.99) return t("match.fewer", { n: 1_000_000 });
  return t("match.oneIn", { n: Number((10_000 / (100 - similarity)).toPrecision(2)) });
}
