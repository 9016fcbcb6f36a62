// Every operation through the AWS SDK for JavaScript v3, as one story. A line of JSON for each
// call: {"operation", "output"} or {"operation", "error"}. Arguments: a unique word, then the
// paths of two portraits and a film. The endpoint and the credentials come from the environment.

import { readFile } from "node:fs/promises";
import * as rekognition from "@aws-sdk/client-rekognition";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const [unique, ...paths] = process.argv.slice(2);
const [eileen, grace, film] = await Promise.all(paths.map((path) => readFile(path)));
const client = new rekognition.RekognitionClient({});
const s3 = new S3Client({ forcePathStyle: true });
const CollectionId = `js-${unique}`;

function tell(operation, outcome) {
  console.log(JSON.stringify({ operation, ...outcome }));
}

async function call(operation, input = {}) {
  const output = await client.send(new rekognition[`${operation}Command`](input));
  tell(operation, { output });
  return output;
}

async function pages(operation, input, pageSize) {
  const found = [];
  for await (const page of rekognition[`paginate${operation}`]({ client, pageSize }, input)) {
    found.push(page);
  }
  tell(operation, { output: { pages: found } });
}

async function refused(operation, input) {
  try {
    await client.send(new rekognition[`${operation}Command`](input));
    tell(operation, { error: null });
  } catch (error) {
    tell(operation, {
      error: {
        name: error.name,
        message: error.message,
        modelled: error instanceof rekognition.RekognitionServiceException,
        status: error.$metadata?.httpStatusCode,
      },
    });
  }
}

const made = await call("CreateCollection", { CollectionId, Tags: { team: "flight" } });
const described = await call("DescribeCollection", { CollectionId });
tell("CreationTimestamp", { output: { date: described.CreationTimestamp instanceof Date } });
await pages("ListCollections", {}, 1);

const stored = { Bucket: `js-${unique}`, Key: "a/grace.jpg" };
await s3.send(new CreateBucketCommand({ Bucket: stored.Bucket }));
await s3.send(new PutObjectCommand({ ...stored, Body: grace }));
const faces = {};
for (const [name, Image] of Object.entries({
  eileen: { Bytes: eileen },
  grace: { S3Object: { Bucket: stored.Bucket, Name: stored.Key } },
})) {
  const input = { CollectionId, Image, ExternalImageId: name, DetectionAttributes: ["ALL"] };
  faces[name] = (await call("IndexFaces", input)).FaceRecords[0].Face.FaceId;
}
await call("DetectFaces", { Image: { Bytes: eileen } });
const all = await call("DetectFaces", { Image: { Bytes: eileen }, Attributes: ["ALL"] });
// What Amazon's documented example for Node.js reads of each face.
tell("AttributesRead", {
  output: all.FaceDetails.map((face) => ({
    low: face.AgeRange.Low,
    high: face.AgeRange.High,
    gender: face.Gender.Value,
    sure: face.Gender.Confidence,
    values: [
      face.Smile.Value,
      face.Eyeglasses.Value,
      face.Sunglasses.Value,
      face.Beard.Value,
      face.Mustache.Value,
      face.EyesOpen.Value,
      face.MouthOpen.Value,
      face.FaceOccluded.Value,
    ],
    confidences: [
      face.Smile.Confidence,
      face.Eyeglasses.Confidence,
      face.Sunglasses.Confidence,
      face.Beard.Confidence,
      face.Mustache.Confidence,
      face.EyesOpen.Confidence,
      face.MouthOpen.Confidence,
      face.FaceOccluded.Confidence,
    ],
    emotion: face.Emotions[0].Type,
    roll: face.Pose.Roll,
    gaze: face.EyeDirection.Yaw,
    landmarks: face.Landmarks.length,
  })),
});
await pages("ListFaces", { CollectionId }, 1);
await call("SearchFaces", { CollectionId, FaceId: faces.eileen, FaceMatchThreshold: 0 });
await call("SearchFacesByImage", { CollectionId, Image: { Bytes: grace } });
await call("CompareFaces", {
  SourceImage: { Bytes: grace },
  TargetImage: { Bytes: eileen },
  SimilarityThreshold: 0,
});

for (const [UserId, FaceId] of Object.entries(faces)) {
  await call("CreateUser", { CollectionId, UserId });
  await call("AssociateFaces", { CollectionId, UserId, FaceIds: [FaceId] });
}
await pages("ListUsers", { CollectionId }, 1);
await call("SearchUsers", { CollectionId, UserId: "grace", UserMatchThreshold: 0 });
await call("SearchUsersByImage", { CollectionId, Image: { Bytes: eileen } });
await call("DisassociateFaces", { CollectionId, UserId: "grace", FaceIds: [faces.grace] });
await call("DeleteUser", { CollectionId, UserId: "grace" });
await call("DeleteFaces", { CollectionId, FaceIds: [faces.grace] });

const Video = { S3Object: { Bucket: stored.Bucket, Name: "film.mp4" } };
await s3.send(new PutObjectCommand({ Bucket: stored.Bucket, Key: "film.mp4", Body: film }));
for (const [kind, input] of Object.entries({ Search: { CollectionId }, Detection: {} })) {
  const { JobId } = await call(`StartFace${kind}`, { Video, ...input });
  const end = Date.now() + 100_000;
  let status = "IN_PROGRESS";
  while (status === "IN_PROGRESS" && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    status = (await call(`GetFace${kind}`, { JobId })).JobStatus;
  }
}

const Name = CollectionId;
const Account = made.CollectionArn.split(":").slice(3, 5).join(":");

async function waitForProcessor(status) {
  const end = Date.now() + 100_000;
  while ((await call("DescribeStreamProcessor", { Name })).Status !== status) {
    if (Date.now() > end) throw new Error(`it does not become ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

await call("CreateStreamProcessor", {
  Name,
  Input: {
    KinesisVideoStream: { Arn: `arn:aws:kinesisvideo:${Account}:stream/${Name}/1767268800000` },
  },
  Output: { KinesisDataStream: { Arn: `arn:aws:kinesis:${Account}:stream/${Name}` } },
  Settings: { FaceSearch: { CollectionId } },
  RoleArn: "arn:aws:iam::123456789012:role/any",
});
await call("StartStreamProcessor", { Name });
await waitForProcessor("RUNNING");
await call("UpdateStreamProcessor", { Name, DataSharingPreferenceForUpdate: { OptIn: false } });
await pages("ListStreamProcessors", {}, 1);
await call("StopStreamProcessor", { Name });
await waitForProcessor("STOPPED");
await refused("StopStreamProcessor", { Name });
await call("DeleteStreamProcessor", { Name });

const ResourceArn = made.CollectionArn;
await call("TagResource", { ResourceArn, Tags: { site: "north" } });
await call("UntagResource", { ResourceArn, TagKeys: ["team"] });
await call("ListTagsForResource", { ResourceArn });

await refused("CreateCollection", { CollectionId });
await refused("IndexFaces", { CollectionId, Image: { Bytes: Buffer.from("not an image") } });
await refused("ListFaces", { CollectionId, NextToken: "forged" });
await call("DeleteCollection", { CollectionId });
await refused("DescribeCollection", { CollectionId });
