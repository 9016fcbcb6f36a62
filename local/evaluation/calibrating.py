"""A pack's calibration, measured on photos of different people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedex.vision import calibration
from local.evaluation import metrics
from local.evaluation.errors import EvaluationError

# A first calibration of all pairs tells how often pairs as alike as the most alike are expected.
# Where that is below this, two folders hold one person.
EXPECTED = 0.01
ROUNDS = 3


@dataclass(frozen=True)
class Measured:
    """The knots of a calibration, how many comparisons they come from, and what was left out."""

    cosine: list[float]
    false_match_rate: list[float]
    pairs: int
    twins: list[tuple[int, int, float]]  # photos that are surely of one person, and their cosine


def calibrate(
    vectors: NDArray[np.float32],
    people: NDArray[np.intp],
    *,
    skip: NDArray[np.intp] | None = None,
) -> Measured:
    """Fit the false match rate to all comparisons of different people.

    skip: (n, 2) pairs of photos to leave out, known to be of one person after all.
    Raises EvaluationError where the photos are too few.
    """
    one, other = np.triu_indices(len(vectors), 1)
    different = people[one] != people[other]
    if skip is not None and len(skip):
        size = len(vectors)
        low, high = np.sort(skip, axis=1).T
        different &= ~np.isin(one * size + other, low * size + high)
    one, other = one[different], other[different]
    cosines = metrics.products(vectors, one, other)
    kept = np.ones(len(cosines), dtype=bool)
    twins: list[tuple[int, int, float]] = []
    for _ in range(ROUNDS):
        try:
            knots = calibration.fit(cosines[kept])
        except ValueError as error:
            raise EvaluationError(f"{error} Photos of one person give none.") from error
        curve = calibration.Calibration(*knots)
        high = np.flatnonzero(kept & (cosines > knots[0][len(knots[0]) // 2]))
        expected = curve.false_match_rate(cosines[high]) * int(kept.sum())
        found = high[expected < EXPECTED]
        if not len(found):
            break
        twins += [(int(one[i]), int(other[i]), float(cosines[i])) for i in found]
        kept[found] = False
    return Measured(*knots, pairs=int(kept.sum()), twins=twins)


def to_toml(measured: Measured, *, data: str) -> str:
    """Return the calibration as a pack's user file or manifest has it."""

    def knots(values: list[float]) -> str:
        lines = [values[start : start + 7] for start in range(0, len(values), 7)]
        return "[\n" + "".join(f"    {', '.join(map(repr, line))},\n" for line in lines) + "]"

    quoted = data.replace("\\", "/").replace('"', "'")
    return (
        f'data = "{quoted}"\nimpostor_pairs = {measured.pairs}\n'
        f"cosine = {knots(measured.cosine)}\n"
        f"false_match_rate = {knots(measured.false_match_rate)}\n"
    )
