import { useEffect, useRef, useState } from "preact/hooks";
import type { FrameRecord } from "../../api/streams";
import { nameOf } from "../../faces/matching";
import { edges } from "../../faces/picture";
import { t } from "../../i18n";
import { code, Updated } from "../../ui/code";
import { Problem } from "../../ui/problem";

interface Props {
  streamArn: string;
  /** The newest frame that the processor has looked at. */
  latest: FrameRecord | undefined;
}

const PAUSE = 2000; // milliseconds between attempts to read a camera that sends nothing

/** The live picture of a camera, with the faces of the newest record. */
export function Live({ streamArn, latest }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [playing, setPlaying] = useState(false);
  const [problem, fail] = useState<unknown>();
  useEffect(() => {
    // Browsers then have no decoder.
    if (!isSecureContext) return fail(new Error(t("cameras.insecure")));
    const left = new AbortController();
    const run = async () => {
      while (!left.signal.aborted) {
        try {
          // Its own file, as only this page needs a decoder.
          const { play } = await code(() => import("./play"));
          await play(streamArn, canvas.current!, left.signal, () => setPlaying(true));
        } catch (error) {
          if (error instanceof Updated) return fail(error);
          // A camera that sends nothing, or a part that cannot be decoded: try again.
        }
        if (left.signal.aborted) return;
        setPlaying(false);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    };
    void run();
    return () => left.abort();
  }, [streamArn]);
  if (problem) return <Problem error={problem} />;
  return (
    <div class="picture">
      <canvas ref={canvas} class="camera" role="img" aria-label={t("cameras.live")} />
      {!playing && <p class="waiting">{t("cameras.noPicture")}</p>}
      <div class="marks">
        {playing &&
          latest?.FaceSearchResponse.map(
            ({ DetectedFace: { BoundingBox }, MatchedFaces: [best] }, n) => (
              <div key={n} class={`mark ${best ? "known" : "unknown"}`} style={edges(BoundingBox)}>
                <span>{best ? nameOf(best) : t("door.stranger")}</span>
              </div>
            ),
          )}
      </div>
    </div>
  );
}
