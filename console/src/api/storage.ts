import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListBucketsCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { config, endpoint } from "../config";
import { deleteAtEnd, S3 } from "./rest";
import { credentials } from "./session";
import { unique } from "./unique";

/** The bucket of the local S3 that holds films while they are searched. */
const BUCKET = "console-films";

const client = (): S3Client =>
  new S3Client({
    endpoint: endpoint(),
    region: config().region,
    credentials: credentials(),
    forcePathStyle: true,
  });

export interface Stored {
  Bucket: string;
  Name: string;
}

export interface Film {
  place: Stored;
  /** Delete it. */
  remove: () => Promise<void>;
}

/** Return a part of a path as S3 signs it. */
const escaped = (part: string): string =>
  encodeURIComponent(part).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** Put a film into the local S3. A film that is not wanted any more by then is deleted again. */
export async function put(
  film: File,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<Film> {
  const s3 = client();
  const underWay = watched(s3);
  const { Buckets = [] } = await s3.send(new ListBucketsCommand({}));
  if (!Buckets.some(({ Name }) => Name === BUCKET)) {
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  }
  const Name = `${unique()}/${film.name}`;
  const path = `/${BUCKET}/${Name.split("/").map(escaped).join("/")}`;
  signal.throwIfAborted();
  let cancel = deleteAtEnd(path, {}, S3);
  const remove = async () => {
    await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: Name }));
    cancel();
  };
  s3.middlewareStack.add(
    (next, { commandName }) =>
      async (input) => {
        const answer = await next(input);
        if (commandName === "CreateMultipartUploadCommand") {
          // Its parts are no object yet.
          const { UploadId = "" } = answer.output as { UploadId?: string };
          cancel();
          cancel = deleteAtEnd(path, { uploadId: UploadId }, S3);
        }
        return answer;
      },
    { step: "initialize" },
  );
  const upload = new Upload({ client: s3, params: { Bucket: BUCKET, Key: Name, Body: film } });
  upload.on("httpUploadProgress", ({ loaded = 0, total = film.size }) => {
    if (!signal.aborted) onProgress(loaded / total);
  });
  signal.addEventListener("abort", () => void upload.abort());
  try {
    await upload.done();
    cancel();
    cancel = deleteAtEnd(path, {}, S3);
    signal.throwIfAborted();
  } catch (error) {
    // An upload ends at once when it is aborted. The request that stores the film does not.
    await Promise.allSettled(underWay);
    await remove();
    throw error;
  }
  return { place: { Bucket: BUCKET, Name }, remove };
}

/** Return the requests of a client that are not answered yet, from now on. */
function watched(s3: S3Client): ReadonlySet<Promise<unknown>> {
  const underWay = new Set<Promise<unknown>>();
  s3.middlewareStack.add(
    (next) => (input) => {
      const sent = next(input);
      const forget = () => void underWay.delete(sent);
      underWay.add(sent);
      sent.then(forget, forget);
      return sent;
    },
    { step: "initialize" },
  );
  return underWay;
}
