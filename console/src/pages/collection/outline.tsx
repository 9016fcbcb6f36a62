import type { Face } from "@aws-sdk/client-rekognition";

/** Where a face was in its photo, which is all that is known of a photo of another day. */
export function Outline({ face }: { face: Face }) {
  const { Left = 0, Top = 0, Width = 0, Height = 0 } = face.BoundingBox ?? {};
  return (
    <svg class="outline-box" viewBox="0 0 1 1" width={48} height={48} aria-hidden="true">
      <rect x={Left} y={Top} width={Width} height={Height} />
    </svg>
  );
}
