"""Cosines as similarities: 100 - Similarity is the false matches in 10,000 comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]

COMPARISONS = 10_000  # 100 - Similarity is the expected number of false matches among so many
# Similarity is a 32-bit float on the wire: a rate that moves 100 by less than half a step is none.
NO_RATE = float(-np.spacing(np.float32(-100))) / 2 / COMPARISONS

FEWEST_COMPARISONS = 100_000
FEWEST_COUNTS = 30  # their relative error is a fifth
BODY_KNOTS = 14
TAIL_KNOTS = 8
RAREST = -10.0  # log10 of the lowest rate that is tabulated


class Calibration:
    """The false match rate of an embedder as a function of the cosine, and similarities from it.

    log10 of the rate is linear between the knots and beyond them.
    """

    def __init__(self, cosine: Sequence[float], false_match_rate: Sequence[float]) -> None:
        """Take at least two knots: ascending cosines and descending rates, or raise ValueError."""
        self._cosine = np.asarray(cosine, dtype=np.float64)
        self._log_rate = np.log10(np.asarray(false_match_rate, dtype=np.float64))
        steps = np.diff(self._cosine), np.diff(self._log_rate)
        if self._cosine.size < 2 or self._cosine.shape != self._log_rate.shape:
            raise ValueError("A calibration needs two or more cosines and a rate for each of them.")
        if not (np.all(steps[0] > 0) and np.all(steps[1] < 0)):
            raise ValueError("A calibration needs ascending cosines and descending rates above 0.")

    def false_match_rate(self, cosine: ArrayLike) -> Doubles:
        """Return the share of comparisons of different people that reach the cosine."""
        logs = _interpolate(np.asarray(cosine, np.float64), self._cosine, self._log_rate)
        return np.minimum(10.0**logs, 1.0)

    def similarities(self, cosine: ArrayLike) -> Doubles:
        """Return clamp(100 - 10,000 · false match rate, 0, 100) of each cosine."""
        rate = self.false_match_rate(cosine)
        rate = np.where(rate <= NO_RATE, 0.0, rate)
        return np.clip(100 - COMPARISONS * rate, 0.0, 100.0)

    def similarity(self, cosine: float) -> float:
        """Return the similarity of one cosine, 0..100."""
        return float(self.similarities(cosine))

    def cosine(self, similarity: float) -> float:
        """Return the lowest cosine that reaches the similarity: -1 for 0, at most 1 for 100."""
        if similarity <= 0:
            return -1.0
        rate = max((100 - similarity) / COMPARISONS, NO_RATE)
        cosine = _interpolate(np.log10(rate), self._log_rate[::-1], self._cosine[::-1])
        return float(np.clip(cosine, -1.0, 1.0))


def _interpolate(at: ArrayLike, x: Doubles, y: Doubles) -> Doubles:
    """Return y at the places, linear between the knots (x ascending) and beyond the outer ones."""
    place = np.asarray(at, dtype=np.float64)
    segment = np.clip(np.searchsorted(x, place) - 1, 0, x.size - 2)
    slope = (y[segment + 1] - y[segment]) / (x[segment + 1] - x[segment])
    return np.asarray(y[segment] + slope * (place - x[segment]))


def fit(
    impostor_cosines: NDArray[np.floating] | Sequence[NDArray[np.floating]],
    weights: Sequence[float] | None = None,
) -> tuple[list[float], list[float]]:
    """Return the knots of a calibration, cosines and rates, from comparisons of different people.

    Several samples are a mixture: its false match rate at a cosine is the mean of the samples' own
    rates there, weighted by `weights` (equal if not given), however large each sample is.

    Down to 30 counts the rate is the share of comparisons at or above the cosine. Beyond, its
    logarithm follows the parabola (a normal distribution's tail is one) fitted to the counts from
    1 in 1,000 down, never rising, until 1 in 10 billion or the cosine 1.
    Raises ValueError below 100,000 comparisons: their tail says too little.
    """
    samples = [impostor_cosines] if isinstance(impostor_cosines, np.ndarray) else impostor_cosines
    mixture = _Mixture(samples, weights)
    if mixture.count < FEWEST_COMPARISONS:
        raise ValueError(mixture.too_few())
    lowest = np.log10(FEWEST_COUNTS / mixture.count)
    logs = np.concatenate([[-0.3, -1.0, -1.5], np.linspace(-2, lowest, BODY_KNOTS)])
    places = mixture.cosines(logs)
    deep = np.linspace(-3, lowest, 50)
    tail = np.polyfit(mixture.cosines(deep), deep, 2)
    beyond = np.linspace(places[-1], 1.0, 200)[1:]
    # The parabola starts where the counts end, and steepens or stays straight.
    slope = min(2 * tail[0] * places[-1] + tail[1], -1e-6)
    distance = beyond - places[-1]
    falling = lowest + slope * distance + min(tail[0], 0.0) * distance**2
    wanted = np.linspace(lowest, max(falling[-1], RAREST), TAIL_KNOTS + 1)[1:]
    far = np.interp(-wanted, -falling, beyond)
    return (
        np.round(np.concatenate([places, far]), 5).tolist(),
        [float(f"{10.0**log:.3g}") for log in np.concatenate([logs, wanted])],
    )


class _Mixture:
    """Samples of cosines, each with a weight.

    `count` is how many comparisons of one sample the mixture is worth: the harmonic mean of the
    samples' sizes, weighted. At count · rate = 30 the rate's relative error is then at most that of
    30 counts, whichever samples they come from and however alike the samples are (Cauchy-Schwarz);
    they may be copies of the same photos.
    """

    def __init__(
        self, samples: Sequence[NDArray[np.floating]], weights: Sequence[float] | None
    ) -> None:
        shares = np.asarray([1.0] * len(samples) if weights is None else weights, dtype=np.float64)
        if shares.shape != (len(samples),) or not np.all(shares > 0):
            raise ValueError("A mixture needs a weight above 0 for each of its samples.")
        self._samples = [np.sort(np.asarray(sample, dtype=np.float64)) for sample in samples]
        sizes = np.array([sample.size for sample in self._samples])
        self._sizes = sizes
        self.count = 0.0
        if len(sizes) and sizes.min():
            shares /= shares.sum()
            # In this order one sample, or the same one twice, is worth exactly its own size.
            self.count = float(sizes.min() / np.sum(shares * (sizes.min() / sizes)))
            self._worth = shares * self.count / sizes  # of one comparison in each sample

    def cosines(self, logs: Doubles) -> Doubles:
        """Return the highest cosine at which the rate is reached, for log10 of each rate."""
        wanted = 10.0**logs * self.count
        low = np.full(logs.shape, min(sample[0] for sample in self._samples))
        high = np.full(logs.shape, np.nextafter(max(sample[-1] for sample in self._samples), 9))
        # Down to neighbouring numbers, so that the result is a cosine of a sample.
        while np.any((low < (middle := (low + high) / 2)) & (middle < high)):
            reached = self._counts(middle) >= wanted
            low, high = np.where(reached, middle, low), np.where(reached, high, middle)
        return low

    def _counts(self, cosines: Doubles) -> Doubles:
        """Return how many comparisons, by their worth, reach each cosine."""
        counts = np.zeros(cosines.shape)
        for sample, worth in zip(self._samples, self._worth, strict=True):
            counts += worth * (sample.size - np.searchsorted(sample, cosines))
        return counts

    def too_few(self) -> str:
        people = 1 + int((2 * FEWEST_COMPARISONS) ** 0.5)
        several = (
            f", equally weighted, are worth {int(self.count)} of one sample, which"
            if len(self._sizes) > 1
            else ""
        )
        return (
            f"{self._sizes.sum()} comparisons{several} are too few to calibrate with; take at "
            f"least {FEWEST_COMPARISONS}, that is {people} people."
        )
