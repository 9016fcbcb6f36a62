import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { Problem } from "../ui/problem";

interface Props {
  /** Receives the element when pictures arrive from the camera. */
  onReady?: (video: HTMLVideoElement) => void;
  /** Called when no more pictures arrive: the camera was unplugged, or may not be used any more. */
  onEnd?: () => void;
}

/** A live picture of the camera. The browser asks for permission; it stays in this tab. */
export function Camera({ onReady, onEnd }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const [ready, setReady] = useState(false);
  const [error, fail] = useState<unknown>();
  useEffect(() => {
    let stream: MediaStream | undefined;
    let left = false;
    const start = async () => {
      // Browsers then have no `mediaDevices` at all.
      if (!isSecureContext) return fail(new Error(t("camera.insecure")));
      try {
        stream = await navigator.mediaDevices.getUserMedia({
          video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" },
        });
        if (left) return stop(stream);
        const element = video.current!;
        element.srcObject = stream;
        const [track] = stream.getVideoTracks();
        track?.addEventListener("ended", () => {
          if (left) return;
          // The element is left out: it would show the last picture for ever, as if of now.
          fail(new Error(t("camera.ended")));
          onEnd?.();
        });
        await element.play();
        setReady(true);
        onReady?.(element);
      } catch (problem) {
        if (!left)
          fail(
            new Error(t("camera.none", { why: problem instanceof Error ? problem.message : "" })),
          );
      }
    };
    void start();
    return () => {
      left = true;
      stop(stream);
    };
  }, []);
  return (
    <>
      <Problem error={error} />
      {/* A starting video hides what is around it, and a problem is to be seen. */}
      {error === undefined && (
        <video
          ref={video}
          // Until its size is known, it takes the place of a picture of the usual shape.
          class={ready ? "camera" : "camera starting"}
          muted
          playsInline
          aria-label={t("camera.label")}
        />
      )}
    </>
  );
}

function stop(stream: MediaStream | undefined): void {
  stream?.getTracks().forEach((track) => track.stop());
}
