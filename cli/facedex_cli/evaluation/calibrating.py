"""Calibration of a pack on photos of different people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedex.printing import printable
from facedex.vision import calibration
from facedex_cli.evaluation import metrics
from facedex_cli.evaluation.evaluation_errors import EvaluationError

# A first calibration of all pairs yields the expected number of pairs at least as similar as the
# most similar ones. If it is below this, the two folders contain the same person.
EXPECTED = 0.01
ROUNDS = 3


@dataclass(frozen=True)
class Source:
    """The vectors of one set of photos, and their people."""

    vectors: NDArray[np.float32]  # (n, dimension)
    people: NDArray[np.intp]  # (n,)
    skip: NDArray[np.intp] | None = None  # (m, 2) pairs of photos known to show the same person
    weight: float = 1.0  # relative to the other sets


class Twins(NamedTuple):
    """Two photos of a source in two people's folders that certainly show the same person."""

    source: int
    one: int
    other: int
    cosine: float


@dataclass(frozen=True)
class Measured:
    """The knots of a calibration, the number of comparisons, and the excluded pairs."""

    cosine: list[float]
    false_match_rate: list[float]
    pairs: int
    twins: list[Twins]


def calibrate(sources: Sequence[Source]) -> Measured:
    """Fit the false match rate to all comparisons of different people in each source.

    Each source counts by its weight, independent of its number of comparisons.

    Raises:
        EvaluationError: if there are too few photos, or too many are of the same person.
    """
    compared = [_compare(source) for source in sources]
    kept = [np.ones(len(found.cosines), dtype=bool) for found in compared]
    twins: list[Twins] = []
    for _ in range(ROUNDS):
        samples = [found.cosines[mask] for found, mask in zip(compared, kept, strict=True)]
        try:
            knots = calibration.fit(samples, [source.weight for source in sources])
        except ValueError as error:
            raise EvaluationError(
                f"{error} Photos of the same person yield no comparisons."
            ) from error
        curve = _curve(knots)
        before = len(twins)
        for number, ((cosines, one, other), mask) in enumerate(zip(compared, kept, strict=True)):
            high = np.flatnonzero(mask & (cosines > knots[0][len(knots[0]) // 2]))
            expected = curve.false_match_rate(cosines[high]) * len(samples[number])
            found = high[expected < EXPECTED]
            twins += [Twins(number, int(one[i]), int(other[i]), float(cosines[i])) for i in found]
            mask[found] = False
        if len(twins) == before:
            break
    return Measured(*knots, pairs=sum(int(mask.sum()) for mask in kept), twins=twins)


def _curve(knots: tuple[list[float], list[float]]) -> calibration.Calibration:
    try:
        return calibration.Calibration(*knots)
    except ValueError as error:
        raise EvaluationError(
            "Too many photos of different people are alike to calibrate with; check that no person"
            " has several folders, and that no photo is in many of them."
        ) from error


class _Compared(NamedTuple):
    cosines: NDArray[np.float64]  # (n,)
    one: NDArray[np.intp]  # (n,) indices of photos
    other: NDArray[np.intp]


def _compare(source: Source) -> _Compared:
    """Compare all photos of different people."""
    one, other = np.triu_indices(len(source.vectors), 1)
    different = source.people[one] != source.people[other]
    if source.skip is not None and len(source.skip):
        size = len(source.vectors)
        low, high = np.sort(source.skip, axis=1).T
        different &= ~np.isin(one * size + other, low * size + high)
    one, other = one[different], other[different]
    return _Compared(metrics.products(source.vectors, one, other), one, other)


def to_toml(measured: Measured, *, data: str) -> str:
    """Return the calibration in the format of a pack's user file or manifest.

    Args:
        measured: the calibration.
        data: description of the photos.
    """

    def knots(values: list[float]) -> str:
        lines = [values[start : start + 7] for start in range(0, len(values), 7)]
        return "[\n" + "".join(f"    {', '.join(map(repr, line))},\n" for line in lines) + "]"

    # Names of folders may have control characters, and bytes that are not UTF-8.
    quoted = printable(data).replace("\\", "/").replace('"', "'")
    return (
        f'data = "{quoted}"\nimpostor_pairs = {measured.pairs}\n'
        f"cosine = {knots(measured.cosine)}\n"
        f"false_match_rate = {knots(measured.false_match_rate)}\n"
    )
