"""Error rates of face recognition with their confidence intervals: pure functions on arrays.

Terms are those of ISO/IEC 19795-1. A comparison is accepted if its score is above a threshold.

Intervals are 95 percent. Comparisons are not independent, as each person takes part in many.
Therefore the bootstrap samples people (with replacement), not comparisons; the weight of a
comparison is the product of how often its two people were drawn. If there are only errors or no
errors, the bootstrap yields no interval; the rule of three is used instead, with a width of 3
divided by the number of people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]

ROUNDS = 500
CONFIDENCE = 0.95
# A threshold is determined only if the rate corresponds to at least this many false matches.
FEWEST_ABOVE = 1
BLOCK = 200_000  # comparisons at a time, which take a few hundred megabytes


@dataclass(frozen=True)
class Rate:
    """A share, `events` / `count`, with its confidence interval."""

    value: float
    low: float
    high: float
    events: int
    count: int


@dataclass(frozen=True)
class Comparisons:
    """Scores of pairs of photos and the people in the two photos."""

    scores: Doubles  # (n,)
    one: Indices  # (n,) the person in the first photo, 0..people - 1
    other: Indices  # (n,) the person in the second photo

    @property
    def same(self) -> NDArray[np.bool_]:
        """Mask of the comparisons of the same person."""
        return np.asarray(self.one == self.other)

    @property
    def genuine(self) -> Doubles:
        """Scores of comparisons of the same person."""
        return self.scores[self.same]

    @property
    def impostor(self) -> Doubles:
        """Scores of comparisons of different people."""
        return self.scores[~self.same]


def products(vectors: NDArray[np.float32], one: Indices, other: Indices) -> Doubles:
    """Return the inner products of pairs of vectors (n, d), specified by their indices."""
    scores = np.empty(len(one))
    for start in range(0, len(one), BLOCK):
        part = slice(start, start + BLOCK)
        scores[part] = np.einsum("nd,nd->n", vectors[one[part]], vectors[other[part]])
    return scores


def threshold_at(impostor: Doubles, rate: float) -> float | None:
    """Return the lowest threshold above which at most a given share of the scores lies.

    Args:
        impostor: scores of comparisons of different people.
        rate: the share.

    Returns:
        The threshold, or None if there are too few scores.
    """
    allowed = int(np.floor(impostor.size * rate + 1e-9))
    if allowed < FEWEST_ABOVE:
        return None
    return float(np.partition(impostor, -(allowed + 1))[-(allowed + 1)])


def non_match_at(comparisons: Comparisons, rate: float, *, seed: int = 0) -> Rate | None:
    """Return the false non-match rate at a false match rate.

    Each bootstrap sample has its own threshold, so the interval includes the threshold's
    uncertainty.

    Args:
        comparisons: the comparisons.
        rate: the false match rate.
        seed: seed of the bootstrap.

    Returns:
        The rate, or None if there are too few comparisons.
    """
    threshold = threshold_at(comparisons.impostor, rate)
    genuine = comparisons.genuine
    if threshold is None or not genuine.size:
        return None
    same = comparisons.same
    order = np.argsort(-comparisons.impostor, kind="stable")
    # No bootstrap sample has its threshold below the scores at ten times the rate.
    order = order[: min(order.size, max(1000, int(10 * rate * order.size)))]
    top = comparisons.impostor[order]
    one, other = comparisons.one[~same], comparisons.other[~same]
    own = comparisons.one[same]

    # Those without a comparison of their own are not drawn; they may have the highest numbers.
    everyone = int(max(comparisons.one.max(), comparisons.other.max())) + 1

    def share(drawn: Doubles) -> float:
        drawn = np.pad(drawn, (0, everyone - drawn.size))
        total = float((drawn[one] * drawn[other]).sum())
        above = np.cumsum(drawn[one[order]] * drawn[other[order]])
        place = min(int(np.searchsorted(above, rate * total, side="right")), top.size - 1)
        weights = drawn[own]
        return _share(weights, genuine <= top[place])

    return _rate(genuine <= threshold, share, own, seed)


def match_rate(comparisons: Comparisons, threshold: float, *, seed: int = 0) -> Rate | None:
    """Return the share of comparisons of different people that reach a threshold."""
    same = comparisons.same
    one, other = comparisons.one[~same], comparisons.other[~same]
    if not one.size:
        return None
    wrong = comparisons.scores[~same] >= threshold
    # Bootstrap samples change the weights only, so the errors are determined once.
    hits = np.flatnonzero(wrong)
    people = int(max(one.max(), other.max())) + 1
    pairs = np.zeros((people, people))
    np.add.at(pairs, (one, other), 1.0)

    def share(drawn: Doubles) -> float:
        total = float(drawn @ pairs @ drawn)
        return float((drawn[one[hits]] * drawn[other[hits]]).sum()) / total if total else 0.0

    return _rate(wrong, share, np.concatenate([one, other]), seed)


def non_match_rate(comparisons: Comparisons, threshold: float, *, seed: int = 0) -> Rate | None:
    """Return the share of comparisons of the same person that do not reach a threshold."""
    own = comparisons.one[comparisons.same]
    if not own.size:
        return None
    wrong = comparisons.genuine < threshold
    return _rate(wrong, lambda drawn: _share(drawn[own], wrong), own, seed)


def identify(vectors: NDArray[np.float32], people: Indices) -> tuple[Doubles, Doubles, Indices]:
    """Search for each person's photos except the first among all people's first photos.

    Args:
        vectors: (n, d).
        people: (n,) the person of each vector.

    Returns:
        For each probe: its score with its own person, its highest score with another person, and
        its person.
    """
    _, first = np.unique(people, return_index=True)
    probes = np.setdiff1d(np.arange(len(people)), first)
    scores = (vectors[probes] @ vectors[first].T).astype(np.float64)
    owner = np.searchsorted(people[first], people[probes])
    rows = np.arange(len(probes))
    own = scores[rows, owner].copy()
    scores[rows, owner] = -np.inf
    others = scores.max(axis=1) if len(first) > 1 else np.full(len(probes), -np.inf)
    return own, others, people[probes]


def share_of(wrong: NDArray[np.bool_], people: Indices, *, seed: int = 0) -> Rate | None:
    """Return the share of probes for which a condition holds.

    Args:
        wrong: (n,) the condition.
        people: (n,) the person of each probe.
        seed: seed of the bootstrap.
    """
    if not wrong.size:
        return None
    return _rate(wrong, lambda drawn: _share(drawn[people], wrong), people, seed)


def missed_at(
    found: Doubles, people: Indices, alarms: Doubles, rate: float, *, seed: int = 0
) -> Rate | None:
    """Return the share of missed mated searches at a false positive rate of non-mated searches.

    The bootstrap samples both kinds of people, and each sample has its own threshold.

    Args:
        found: (n,) each mated search's score if its best match is the right person, else minus
            infinity.
        people: (n,) the person of each mated search.
        alarms: (m,) the highest score of each non-mated search, each of another person.
        rate: share of non-mated searches with a match.
        seed: seed of the bootstrap.

    Returns:
        The rate, or None if there are too few searches.
    """
    threshold = threshold_at(alarms, rate)
    if threshold is None or not found.size:
        return None
    top = -np.sort(-alarms)
    generator = np.random.default_rng(seed + 1)  # independent of the mated searches' samples

    def share(drawn: Doubles) -> float:
        times = generator.multinomial(alarms.size, np.full(alarms.size, 1 / alarms.size))
        place = int(np.searchsorted(np.cumsum(times), rate * alarms.size + 1e-9, side="right"))
        return _share(drawn[people], found <= top[place])

    return _rate(found <= threshold, share, people, seed)


def detection_error_tradeoff(
    comparisons: Comparisons, points: int = 400
) -> tuple[Doubles, Doubles]:
    """Return false match and false non-match rates at several thresholds, for a DET curve."""
    impostor, genuine = np.sort(comparisons.impostor), np.sort(comparisons.genuine)
    lowest = 1 / max(impostor.size, 1)
    shares = np.geomspace(lowest, 1, points)
    allowed = np.unique(np.floor(shares * impostor.size).astype(int).clip(1, impostor.size))
    thresholds = impostor[-allowed]
    missed = np.searchsorted(genuine, thresholds, side="left") / genuine.size
    return allowed / impostor.size, missed


def _share(weights: Doubles, wrong: NDArray[np.bool_]) -> float:
    total = float(weights.sum())
    return float(weights[wrong].sum()) / total if total else 0.0


def _rate(
    wrong: NDArray[np.bool_],
    share: Callable[[Doubles], float],
    people: Indices | Sequence[int],
    seed: int,
) -> Rate:
    drawn_from = np.unique(np.asarray(people))
    errors, count = int(wrong.sum()), int(wrong.size)
    unseen = min(3 / len(drawn_from), 1.0)
    if not errors:
        return Rate(0.0, 0.0, unseen, 0, count)
    if errors == count:
        return Rate(1.0, 1.0 - unseen, 1.0, count, count)
    generator = np.random.default_rng(seed)
    shares = np.empty(ROUNDS)
    for turn in range(ROUNDS):
        drawn = np.zeros(int(drawn_from[-1]) + 1)
        picks = generator.integers(0, len(drawn_from), len(drawn_from))
        np.add.at(drawn, drawn_from[picks], 1.0)
        shares[turn] = share(drawn)
    low, high = np.quantile(shares, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    value = errors / count
    return Rate(value, min(float(low), value), max(float(high), value), errors, count)
