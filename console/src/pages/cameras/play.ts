import { Input, MATROSKA, ReadableStreamSource, VideoSampleSink } from "mediabunny";
import { media } from "../../api/streams";

/** Decode a camera's media, and draw each frame, until it ends. */
export async function play(
  streamArn: string,
  canvas: HTMLCanvasElement,
  signal: AbortSignal,
  onFrame: () => void,
): Promise<void> {
  const input = new Input({
    source: new ReadableStreamSource(await media(streamArn, signal)),
    formats: [MATROSKA],
  });
  const track = await input.getPrimaryVideoTrack();
  if (!track) return;
  const context = canvas.getContext("2d")!;
  for await (const sample of new VideoSampleSink(track).samples()) {
    if (!signal.aborted) {
      canvas.width = sample.displayWidth;
      canvas.height = sample.displayHeight;
      sample.draw(context, 0, 0);
      onFrame();
    }
    sample.close();
    if (signal.aborted) return;
  }
}
