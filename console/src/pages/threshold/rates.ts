import type { Scores } from "./trial";

export interface Rates {
  threshold: number;
  /** Share of comparisons of different people that match. */
  falseMatches: number;
  /** Share of comparisons of the same person that do not match. */
  falseNonMatches: number;
}

/** Return both error rates at a threshold. */
export function ratesAt({ genuine, impostor }: Scores, threshold: number): Rates {
  const share = (all: readonly number[], counts: (score: number) => boolean) =>
    all.length ? all.filter(counts).length / all.length : Number.NaN;
  return {
    threshold,
    falseMatches: share(impostor, (score) => score >= threshold),
    falseNonMatches: share(genuine, (score) => score < threshold),
  };
}

/** Return the error rates at every threshold where one of them changes, for the DET curve. */
export function curve(scores: Scores): Rates[] {
  const genuine = Float64Array.from(scores.genuine).sort();
  const impostor = Float64Array.from(scores.impostor).sort();
  const thresholds = [...new Set([...impostor, ...genuine])].sort((a, b) => a - b);
  let misses = 0;
  let below = 0;
  return thresholds.map((threshold) => {
    while (misses < genuine.length && genuine[misses]! < threshold) misses++;
    while (below < impostor.length && impostor[below]! < threshold) below++;
    return {
      threshold,
      falseMatches: 1 - below / impostor.length,
      falseNonMatches: misses / genuine.length,
    };
  });
}

/** Bins in each power of ten. */
const FINE = 4;
const LOWEST = 2; // 1 in 100, which is Similarity 0
const HIGHEST = 6; // 1 in a million and less

/** Return how many powers of ten comparisons there are to one false match at a similarity. */
const powers = (similarity: number): number =>
  Math.min(HIGHEST, Math.max(LOWEST, Math.log10(10_000 / Math.max(100 - similarity, 1e-9))));

export interface Histogram {
  /** The lower end of each bin: comparisons to one false match. */
  comparisons: number[];
  genuine: number[];
  impostor: number[];
}

/** Return shares of pairs by what their similarity means, in bins of a quarter of a power of ten. */
export function histogram({ genuine, impostor }: Scores): Histogram {
  const bins = (HIGHEST - LOWEST) * FINE + 1;
  const count = (all: readonly number[]) => {
    const shares = Array<number>(bins).fill(0);
    for (const each of all) shares[Math.round((powers(each) - LOWEST) * FINE)]! += 1 / all.length;
    return shares;
  };
  return {
    comparisons: Array.from({ length: bins }, (_, n) => 10 ** (LOWEST + n / FINE)),
    genuine: count(genuine),
    impostor: count(impostor),
  };
}
