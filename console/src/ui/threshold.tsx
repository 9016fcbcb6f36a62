import { meaning } from "../faces/matching";
import { number, t } from "../i18n";

interface Props {
  value: number;
  onChange: (value: number) => void;
  /** The lowest value that can be chosen. */
  least?: number;
}

/** Steps of the slider: finer where a door's thresholds are. */
const STEPS = [
  0, 50, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.5, 99.8, 99.9, 99.95, 99.99,
];

/** A slider for the similarity that counts as a match, with what it means. */
export function Threshold({ value, onChange, least = 0 }: Props) {
  const nearest = STEPS.findIndex((step) => step >= value);
  return (
    <label>
      {t("threshold.label", { n: number(value, { maximumFractionDigits: 2 }) })}
      <input
        type="range"
        min={STEPS.findIndex((step) => step >= least)}
        max={STEPS.length - 1}
        value={nearest < 0 ? STEPS.length - 1 : nearest}
        aria-valuetext={number(value, { maximumFractionDigits: 2 })}
        onInput={(event) => onChange(STEPS[Number(event.currentTarget.value)]!)}
      />
      <small>{meaning(value)}</small>
    </label>
  );
}
