import {
  CreateStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from "@aws-sdk/client-kinesis";
import {
  CreateStreamCommand as CreateVideoStreamCommand,
  DescribeStreamCommand,
  GetDataEndpointCommand,
  KinesisVideoClient,
  ListStreamsCommand,
} from "@aws-sdk/client-kinesis-video";
import { GetMediaCommand, KinesisVideoMediaClient } from "@aws-sdk/client-kinesis-video-media";
import type { BoundingBox, Face } from "@aws-sdk/client-rekognition";
import { config, endpoint } from "../config";
import { credentials } from "./session";

const options = () => ({
  endpoint: endpoint(),
  region: config().region,
  credentials: credentials(),
});

/** Return the ARN of a Kinesis video stream; create the stream if it does not exist. */
export async function videoStream(name: string): Promise<string> {
  const client = new KinesisVideoClient(options());
  try {
    const { StreamInfo } = await client.send(new DescribeStreamCommand({ StreamName: name }));
    return StreamInfo!.StreamARN!;
  } catch (error) {
    if ((error as Error).name !== "ResourceNotFoundException") throw error;
    const made = await client.send(
      new CreateVideoStreamCommand({ StreamName: name, DataRetentionInHours: 1 }),
    );
    return made.StreamARN!;
  }
}

/** Return the names of all Kinesis video streams. */
export async function videoStreams(): Promise<string[]> {
  const { StreamInfoList = [] } = await new KinesisVideoClient(options()).send(
    new ListStreamsCommand({}),
  );
  return StreamInfoList.map(({ StreamName }) => StreamName!);
}

/** Create a Kinesis data stream for a processor's records, unless it exists. */
export async function dataStream(name: string): Promise<void> {
  try {
    await new KinesisClient(options()).send(
      new CreateStreamCommand({ StreamName: name, ShardCount: 1 }),
    );
  } catch (error) {
    if ((error as Error).name !== "ResourceInUseException") throw error;
  }
}

/** A reader this close to the newest record has read what was there, in milliseconds. */
const TIP = 1000;

/** What a processor writes about a frame; the members that the console reads. */
export interface FrameRecord {
  InputInformation: {
    KinesisVideo: { ProducerTimestamp: number; FrameOffsetInSeconds: number };
  };
  FaceSearchResponse: {
    DetectedFace: { BoundingBox: BoundingBox; Confidence: number };
    MatchedFaces: { Similarity: number; Face: Face }[];
  }[];
}

/**
 * Yield the records of a data stream as they come, a batch at a time, until the signal aborts.
 * They are live when all that had been written before has been read.
 */
export async function* records(
  stream: string,
  since: Date | undefined,
  signal: AbortSignal,
): AsyncGenerator<{ batch: FrameRecord[]; live: boolean }> {
  const client = new KinesisClient(options());
  const send = { abortSignal: signal };
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }), send);
  // The console makes streams with one shard, and a processor writes to one.
  const start = since
    ? { ShardIteratorType: "AT_TIMESTAMP" as const, Timestamp: since }
    : { ShardIteratorType: "TRIM_HORIZON" as const };
  const { ShardIterator } = await client.send(
    new GetShardIteratorCommand({ StreamName: stream, ShardId: Shards[0]?.ShardId, ...start }),
    send,
  );
  let next = ShardIterator;
  let live = false;
  while (next && !signal.aborted) {
    const found = await client.send(
      new GetRecordsCommand({ ShardIterator: next, Limit: 1000 }),
      send,
    );
    next = found.NextShardIterator;
    const batch = (found.Records ?? []).map(
      ({ Data }) => JSON.parse(new TextDecoder().decode(Data)) as FrameRecord,
    );
    if (batch.length) yield { batch, live };
    live ||= (found.MillisBehindLatest ?? 0) < TIP;
    // A shard answers five times a second at most.
    await new Promise((resolve) => setTimeout(resolve, batch.length ? 200 : 500));
  }
}

/** Return the media of a video stream from now on, as Matroska. */
export async function media(
  streamArn: string,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const { DataEndpoint } = await new KinesisVideoClient(options()).send(
    new GetDataEndpointCommand({ StreamARN: streamArn, APIName: "GET_MEDIA" }),
  );
  const client = new KinesisVideoMediaClient({ ...options(), endpoint: DataEndpoint! });
  const { Payload } = await client.send(
    new GetMediaCommand({ StreamARN: streamArn, StartSelector: { StartSelectorType: "NOW" } }),
    { abortSignal: signal },
  );
  return Payload!.transformToWebStream() as ReadableStream<Uint8Array>;
}
