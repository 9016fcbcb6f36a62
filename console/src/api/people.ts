import type { Face } from "@aws-sdk/client-rekognition";
import { note } from "./calls";
import { rest } from "./rest";

/** Faces that look like one person and do not all belong to one user. */
export interface Group {
  Faces: Face[];
  UserIds: string[];
  Similarity: number;
}

export interface Grouping {
  Groups: Group[];
  GroupCount: number;
  FaceCount: number;
}

const path = (collection: string): string => `/v1/collections/${encodeURIComponent(collection)}`;

/** Group a collection's faces into people, by an extension of the API. */
export function groupFaces(
  collection: string,
  similarity: number,
  signal: AbortSignal,
): Promise<Grouping> {
  note("ListFaces", { CollectionId: collection });
  const query = { groups: "people", Similarity: String(similarity) };
  return rest("GET", `${path(collection)}/faces`, query, undefined, signal);
}

/** Remember that faces are not those of a user, by an extension of the API. */
export function distinguish(
  collection: string,
  user: string,
  faceIds: readonly string[],
): Promise<unknown> {
  const body = { type: "application/json", content: JSON.stringify({ FaceIds: faceIds }) };
  const route = `${path(collection)}/users/${encodeURIComponent(user)}/faces`;
  return rest("POST", route, { as: "others" }, body);
}
