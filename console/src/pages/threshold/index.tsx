import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { meaning } from "../../faces/matching";
import { number, t } from "../../i18n";
import { Chart } from "../../ui/chart";
import { Drop } from "../../ui/drop";
import { Problem } from "../../ui/problem";
import { curve, histogram, ratesAt } from "./rates";
import { compareAll, MOST, personOf, type Scores } from "./trial";

const stepped = uPlot.paths.stepped!({ align: 1 });

/** Show shares from zero, and a flat line as flat. */
const fromZero = (_: uPlot, _low: number, high: number): [number, number] => [
  0,
  Math.max(high, 0.05),
];

const THRESHOLDS = [80, 90, 95, 99, 99.9, 99.99];

/** Which threshold? The error rates of the recogniser on the user's own photos. */
export default function Threshold() {
  const [progress, setProgress] = useState<{ done: number; total: number }>();
  const [scores, setScores] = useState<Scores>();
  const [total, setTotal] = useState(0);
  const [error, fail] = useState<unknown>();
  const left = useRef<AbortController>();
  useEffect(() => () => left.current?.abort(), []);
  const start = async (files: File[]) => {
    const photos = files.slice(0, MOST);
    setTotal(files.length);
    // The folder before, if it is still compared: its rates are not wanted any more.
    left.current?.abort();
    const { signal } = (left.current = new AbortController());
    setProgress(undefined);
    fail(undefined);
    setScores(undefined);
    if (new Set(photos.map(personOf)).size < 2) {
      fail(new Error(t("rates.folders")));
      return;
    }
    setProgress({ done: 0, total: 1 });
    const show = (done: number, total: number) => {
      if (!signal.aborted) setProgress({ done, total });
    };
    try {
      const found = await compareAll(photos, show, signal);
      if (!signal.aborted) setScores(found);
    } catch (problem) {
      if (!signal.aborted) fail(problem);
    } finally {
      if (!signal.aborted) setProgress(undefined);
    }
  };
  return (
    <>
      <h1>{t("rates.title")}</h1>
      <p>{t("rates.how")}</p>
      <Drop label={t("rates.choose")} accept="image/*" folders="only" onFiles={start} />
      <Problem error={error} />
      {total > MOST && (progress || scores) && <p>{t("rates.most", { n: MOST, all: total })}</p>}
      {progress && (
        <label>
          {t("rates.comparing")}
          <progress value={progress.done} max={progress.total} />
        </label>
      )}
      {scores && <Result scores={scores} />}
    </>
  );
}

const percent = (share: number): string =>
  Number.isNaN(share) ? "–" : number(share, { style: "percent", maximumFractionDigits: 2 });

function Result({ scores }: { scores: Scores }) {
  const { genuine, impostor, left } = scores;
  return (
    <>
      <p>
        {t("rates.pairs", { same: number(genuine.length), different: number(impostor.length) })}
      </p>
      {left.length > 0 && (
        <details>
          <summary>{t("rates.left", { n: left.length })}</summary>
          <p>{left.join(", ")}</p>
        </details>
      )}
      <div class="scroll" role="region" aria-label={t("rates.title")} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("rates.threshold")}</th>
              <th scope="col">{t("rates.promised")}</th>
              <th scope="col" class="number">
                {t("rates.falseMatches")}
              </th>
              <th scope="col" class="number">
                {t("rates.falseNonMatches")}
              </th>
            </tr>
          </thead>
          <tbody>
            {THRESHOLDS.map((threshold) => {
              const rates = ratesAt(scores, threshold);
              return (
                <tr key={threshold}>
                  <th scope="row">{number(threshold)}</th>
                  <td>{meaning(threshold)}</td>
                  <td class="number">{percent(rates.falseMatches)}</td>
                  <td class="number">{percent(rates.falseNonMatches)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <div class="columns">
        <Histogram scores={scores} />
        <Det scores={scores} />
      </div>
    </>
  );
}

function Histogram({ scores }: { scores: Scores }) {
  const { comparisons, genuine, impostor } = useMemo(() => histogram(scores), [scores]);
  return (
    <figure>
      <figcaption>{t("rates.histogram")}</figcaption>
      <Chart
        label={t("rates.histogram")}
        data={[comparisons, genuine, impostor]}
        options={{
          scales: { x: { time: false, distr: 3 }, y: { range: fromZero } },
          series: [
            { label: t("rates.oneIn") },
            { label: t("rates.same"), stroke: "#1a7f37", fill: "#1a7f3733", paths: stepped },
            { label: t("rates.different"), stroke: "#b57d00", fill: "#b57d0033", paths: stepped },
          ],
          axes: [{}, { values: (_, values) => values.map(percent) }],
        }}
      />
    </figure>
  );
}

function Det({ scores }: { scores: Scores }) {
  const data = useMemo(() => {
    const points = curve(scores)
      .filter(({ falseMatches }) => falseMatches > 0)
      .sort((a, b) => a.falseMatches - b.falseMatches);
    return [
      points.map((point) => point.falseMatches),
      points.map((point) => point.falseNonMatches),
    ] as [number[], number[]];
  }, [scores]);
  return (
    <figure>
      <figcaption>{t("rates.det")}</figcaption>
      <Chart
        label={t("rates.det")}
        data={data}
        options={{
          scales: { x: { time: false, distr: 3 }, y: { range: fromZero } },
          series: [
            { label: t("rates.falseMatches") },
            { label: t("rates.falseNonMatches"), stroke: "#0b6e8a" },
          ],
          axes: [{}, { values: (_, values) => values.map(percent) }],
        }}
      />
    </figure>
  );
}
