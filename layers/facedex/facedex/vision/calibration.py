"""Conversion of cosines to similarities: 100 - Similarity = false matches in 10,000 comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]

COMPARISONS = 10_000  # 100 - Similarity is the expected number of false matches in this many
# Clients read Similarity as a 32-bit float; a rate below half a step of it at 100 counts as 0.
NO_RATE = float(-np.spacing(np.float32(-100))) / 2 / COMPARISONS

FEWEST_COMPARISONS = 100_000
FEWEST_COUNTS = 30  # the relative error of 30 counts is a fifth
BODY_KNOTS = 14
TAIL_KNOTS = 8
RAREST = -10.0  # log10 of the lowest tabulated rate


class Calibration:
    """The false match rate of an embedder as a function of the cosine, and similarities from it.

    log10 of the rate is linear between the knots and beyond them.
    """

    def __init__(self, cosine: Sequence[float], false_match_rate: Sequence[float]) -> None:
        """Create a calibration from its knots.

        Args:
            cosine: two or more cosines, ascending.
            false_match_rate: the rate at each cosine, descending.

        Raises:
            ValueError: if the knots are not of this form.
        """
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
        """Return the lowest cosine that reaches the similarity: -1 for 0, at most 1 for 100.

        Thresholds and similarities on the wire have single precision. Every similarity that rounds
        to the threshold or above reaches it, so that a match is found again with its own similarity
        as the threshold.
        """
        wanted = np.float32(similarity)
        if wanted <= 0:
            return -1.0
        lowest = (float(wanted) + float(np.nextafter(wanted, np.float32(0)))) / 2
        rate = np.log10((100 - lowest) / COMPARISONS)
        cosine = _interpolate(rate, self._log_rate[::-1], self._cosine[::-1])
        return float(np.clip(cosine, -1.0, 1.0))


def _interpolate(at: ArrayLike, x: Doubles, y: Doubles) -> Doubles:
    """Return y at the points, linear between the knots (x ascending) and beyond the outer ones."""
    place = np.asarray(at, dtype=np.float64)
    segment = np.clip(np.searchsorted(x, place) - 1, 0, x.size - 2)
    slope = (y[segment + 1] - y[segment]) / (x[segment + 1] - x[segment])
    return np.asarray(y[segment] + slope * (place - x[segment]))


def fit(
    impostor_cosines: NDArray[np.floating] | Sequence[NDArray[np.floating]],
    weights: Sequence[float] | None = None,
) -> tuple[list[float], list[float]]:
    """Return the knots of a calibration, cosines and rates, from comparisons of different people.

    Several samples form a mixture. Its false match rate at a cosine is the weighted mean of the
    samples' rates there, independent of the samples' sizes.

    Down to 30 counts the rate is the share of comparisons at or above the cosine. Below that, its
    logarithm follows a parabola (as the tail of a normal distribution does), which is fitted to
    the counts at rates of 1 in 1,000 and less and never rises, down to 1 in 10 billion or the
    cosine 1.

    Args:
        impostor_cosines: one or more samples of cosines.
        weights: weight of each sample; by default all are equal.

    Raises:
        ValueError: if there are fewer than 100,000 comparisons, too few to estimate the tail.
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

    `count` is the mixture's effective number of comparisons: the weighted harmonic mean of the
    samples' sizes. At count · rate = 30 the relative error of the rate is at most that of 30
    counts, for any distribution over the samples and any dependence between them
    (Cauchy-Schwarz); the samples may even be copies of the same photos.
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
            # In this order, the count of one sample, or of a sample twice, is exactly its size.
            self.count = float(sizes.min() / np.sum(shares * (sizes.min() / sizes)))
            self._worth = shares * self.count / sizes  # of one comparison in each sample

    def cosines(self, logs: Doubles) -> Doubles:
        """Return the highest cosine at which each rate is reached, from log10 of the rates."""
        wanted = 10.0**logs * self.count
        low = np.full(logs.shape, min(sample[0] for sample in self._samples))
        high = np.full(logs.shape, np.nextafter(max(sample[-1] for sample in self._samples), 9))
        # Bisect down to adjacent floats, so that the result is a cosine of a sample.
        while np.any((low < (middle := (low + high) / 2)) & (middle < high)):
            reached = self._counts(middle) >= wanted
            low, high = np.where(reached, middle, low), np.where(reached, high, middle)
        return low

    def _counts(self, cosines: Doubles) -> Doubles:
        """Return the weighted number of comparisons that reach each cosine."""
        counts = np.zeros(cosines.shape)
        for sample, worth in zip(self._samples, self._worth, strict=True):
            counts += worth * (sample.size - np.searchsorted(sample, cosines))
        return counts

    def too_few(self) -> str:
        people = 1 + int((2 * FEWEST_COMPARISONS) ** 0.5)
        several = (
            f", equally weighted, count as {int(self.count)} of one sample, which"
            if len(self._sizes) > 1
            else ""
        )
        return (
            f"{self._sizes.sum()} comparisons{several} are too few to calibrate with; at least "
            f"{FEWEST_COMPARISONS} are needed, that is {people} people."
        )
