import type { BoundingBox, Landmark } from "@aws-sdk/client-rekognition";

export interface Marked {
  box: BoundingBox;
  /** What is written on the box: a number or a name. */
  label: string;
  kind?: "known" | "unknown" | "plain";
  landmarks?: readonly Landmark[] | undefined;
}

interface Props {
  /** The picture's address, from URL.createObjectURL. */
  source: string;
  alternative: string;
  marks: readonly Marked[];
  selected?: number;
  onSelect?: (index: number) => void;
}

/** Return where a label is, so that it stays in the picture: below the box, or else inside it. */
function placement({ Left = 0, Top = 0, Width = 0, Height = 0 }: BoundingBox): string {
  const low = Top + Height > 0.93;
  const right = Left + Width / 2 > 0.6;
  return `${low ? "inside" : ""} ${right ? "to-left" : ""}`;
}

const percent = (value = 0): string => `${value * 100}%`;

/**
 * Return the style of a box on a picture. A box that follows a face is moved by a transformation,
 * for which browsers lay nothing out again.
 */
export const edges = ({ Left = 0, Top = 0, Width, Height }: BoundingBox) => ({
  transform: `translate(${Left * 100}cqw, ${Top * 100}cqh)`,
  width: percent(Width),
  height: percent(Height),
  // By which the label finds its place, for the same reason.
  "--width": `${(Width ?? 0) * 100}cqw`,
  "--height": `${(Height ?? 0) * 100}cqh`,
});

/** A photo with its faces boxed, and their landmarks as dots. */
export function Picture({ source, alternative, marks, selected, onSelect }: Props) {
  return (
    <div class="picture">
      <img src={source} alt={alternative} />
      <div class="marks">
        {marks.map(({ box, label, kind = "plain" }, index) => (
          <button
            key={index}
            type="button"
            class={`mark ${kind}`}
            aria-pressed={index === selected}
            disabled={!onSelect}
            onClick={() => onSelect?.(index)}
            style={edges(box)}
          >
            <span class={placement(box)}>{label}</span>
          </button>
        ))}
      </div>
      <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
        {marks.flatMap(({ landmarks }, index) =>
          (landmarks ?? []).map(({ X, Y, Type }) => (
            // A line without length with round ends is a dot whose size does not scale.
            <path key={`${index} ${Type}`} d={`M${X} ${Y}h0`} />
          )),
        )}
      </svg>
    </div>
  );
}
