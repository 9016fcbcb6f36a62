import type { PersonMatch } from "@aws-sdk/client-rekognition";
import { nameOf } from "./matching";

/** Appearances closer than this, in milliseconds, are one. */
const GAP = 1500;
/** Below every similarity: also a match of 0 is the best if there is no better one. */
const NONE = -1;

export interface Span {
  from: number;
  to: number;
}

/** A person of a film: when they are seen, and the best match of any moment. */
export interface Person {
  index: number;
  spans: Span[];
  name: string | undefined;
  similarity: number;
  /** The moment of the best match, in milliseconds. */
  best: number;
}

/** Gather the moments of GetFaceSearch into people, in the order of their first appearance. */
export function people(moments: readonly PersonMatch[], threshold: number): Person[] {
  const found = new Map<number, Person>();
  for (const { Person: { Index = 0 } = {}, Timestamp = 0, FaceMatches = [] } of moments) {
    const person = found.get(Index) ?? {
      index: Index,
      spans: [],
      name: undefined,
      similarity: NONE,
      best: Timestamp,
    };
    found.set(Index, person);
    const last = person.spans.at(-1);
    if (last && Timestamp - last.to <= GAP) last.to = Timestamp;
    else person.spans.push({ from: Timestamp, to: Timestamp });
    for (const { Similarity = 0, Face } of FaceMatches) {
      if (Similarity <= person.similarity) continue;
      person.similarity = Similarity;
      person.best = Timestamp;
      person.name = Similarity >= threshold ? nameOf({ Face }) : undefined;
    }
  }
  return [...found.values()];
}

/** Return the people as CSV, one line for each appearance; times are in seconds. */
export function csv(all: readonly Person[]): string {
  const lines = all.flatMap(({ index, name = "", similarity, spans }) =>
    spans.map(({ from, to }) =>
      [index, name, name && similarity.toFixed(3), from / 1000, to / 1000].join(","),
    ),
  );
  return ["person,name,similarity,from,to", ...lines].join("\n");
}
