import { computed, signal } from "@preact/signals";
import { RekognitionClient } from "@aws-sdk/client-rekognition";
import { config, endpoint } from "../config";

export interface Key {
  accessKeyId: string;
  secretAccessKey: string;
}

/** The access key, in the memory of this page alone: it is gone with the tab or a reload. */
export const key = signal<Key | null>(null);

/** Whether requests can be signed. A server without authentication takes any credentials. */
export const signedIn = computed(() => config().auth === "none" || key.value !== null);

export const credentials = (): Key =>
  key.value ?? { accessKeyId: "console", secretAccessKey: "console" };

/** The client of the face collections, made anew for another key. */
export const rekognition = computed(
  () =>
    new RekognitionClient({
      endpoint: endpoint(),
      region: config().region,
      credentials: credentials(),
      maxAttempts: 3,
    }),
);
