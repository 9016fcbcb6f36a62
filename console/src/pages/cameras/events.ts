import type { FrameRecord } from "../../api/streams";
import { nameOf } from "../../faces/matching";
import { read, remove, write } from "../../kept";

/** Someone who was recognised by a camera. */
export interface Sighting {
  /** Milliseconds since 1970. */
  time: number;
  name: string;
  similarity: number;
}

/** A person who stays in view is noted once in this time, in milliseconds. */
const AGAIN = 30_000;
const MOST = 300;

const place = (processor: string): string => `facedex-camera-${processor}`;

/** Return the sightings that this browser has kept of a camera, the newest first. */
export function load(processor: string): readonly Sighting[] {
  try {
    return JSON.parse(read(place(processor)) ?? "[]") as Sighting[];
  } catch {
    return [];
  }
}

export function forget(processor: string): void {
  remove(place(processor));
}

/** Add what is new in records to the sightings, and keep them over a restart. */
export function add(
  processor: string,
  before: readonly Sighting[],
  batch: readonly FrameRecord[],
): readonly Sighting[] {
  let all = before;
  for (const record of batch) {
    const time = timeOf(record);
    for (const {
      MatchedFaces: [best],
    } of record.FaceSearchResponse) {
      if (!best) continue;
      const name = nameOf(best);
      const last = all.find((each) => each.name === name);
      if (last && Math.abs(time - last.time) < AGAIN) continue;
      all = [{ time, name, similarity: best.Similarity }, ...all].slice(0, MOST);
    }
  }
  if (all !== before) write(place(processor), JSON.stringify(all));
  return all;
}

/** Return the time of a record's frame in milliseconds since 1970. */
export function timeOf({ InputInformation: { KinesisVideo } }: FrameRecord): number {
  return (KinesisVideo.ProducerTimestamp + KinesisVideo.FrameOffsetInSeconds) * 1000;
}
