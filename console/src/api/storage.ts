import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListBucketsCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { config, endpoint } from "../config";
import { credentials } from "./session";

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

/** Put a film into the local S3, and return where it is. */
export async function put(
  film: File,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<Stored> {
  const s3 = client();
  const { Buckets = [] } = await s3.send(new ListBucketsCommand({}));
  if (!Buckets.some(({ Name }) => Name === BUCKET)) {
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  }
  const Name = `${crypto.randomUUID()}/${film.name}`;
  const upload = new Upload({ client: s3, params: { Bucket: BUCKET, Key: Name, Body: film } });
  upload.on("httpUploadProgress", ({ loaded = 0, total = film.size }) =>
    onProgress(loaded / total),
  );
  signal.addEventListener("abort", () => void upload.abort());
  await upload.done();
  return { Bucket: BUCKET, Name };
}

/** Delete a film that has been searched. */
export async function remove({ Bucket, Name }: Stored): Promise<void> {
  await client().send(new DeleteObjectCommand({ Bucket, Key: Name }));
}
