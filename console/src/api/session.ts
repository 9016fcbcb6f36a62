import { computed, signal } from "@preact/signals";
import { ListCollectionsCommand, RekognitionClient } from "@aws-sdk/client-rekognition";
import { config, endpoint } from "../config";

export interface Key {
  accessKeyId: string;
  secretAccessKey: string;
  /** Of temporary credentials of AWS. */
  sessionToken?: string;
}

/** The access key, in the memory of this page alone: it is gone with the tab or a reload. */
export const key = signal<Key | null>(null);

const forgetting: (() => void)[] = [];

/** Have something forgotten when the reader signs out: the next one may be another person. */
export const whenSignedOut = (forget: () => void): void => void forgetting.push(forget);

export function signOut(): void {
  key.value = null;
  for (const forget of forgetting) forget();
}

/** Whether requests can be signed. A server without authentication takes any credentials. */
export const signedIn = computed(() => config().auth === "none" || key.value !== null);

export const credentials = (): Key =>
  key.value ?? { accessKeyId: "console", secretAccessKey: "console" };

/** The service that requests are signed for: API Gateway, where it checks the signatures. */
export const signedService = (): string =>
  config().auth === "iam" ? "execute-api" : "rekognition";

function clientFor(signer: Key): RekognitionClient {
  const options = {
    endpoint: endpoint(),
    region: config().region,
    credentials: signer,
    maxAttempts: 3,
    // The SDK's types lack it.
    signingName: signedService(),
  };
  return new RekognitionClient(options);
}

/** The client of the face collections, made again for another key. */
export const rekognition = computed(() => clientFor(credentials()));

/** Sign a harmless request with a key; raise the API's error if the key is refused. */
export async function trial(signer: Key): Promise<void> {
  await clientFor(signer).send(new ListCollectionsCommand({ MaxResults: 1 }));
}
