"""The choice of candidates among the rows that a scan has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.coding import Question
from facedex.gallery.scanning import Ids, Nearest, Segment

# The best rows of a scan give a first floor if there are many more than these.
_SPARE: Final = 16
_ENOUGH: Final = 16


def choose(
    question: Question,
    limit: int | None,
    min_score: float,
    segments: Sequence[Segment],
    found: Sequence[Nearest],
) -> tuple[float, Ids]:
    """Return the score that the best vectors reach, and the ids of all that may reach it.

    Args:
        found: the rows of each segment with the best bounds.
    """
    floor = min_score
    bounds = [
        question.offset + question.step * products.astype(np.float64) for products, _ in found
    ]
    if limit is not None and sum(map(len, bounds)) > _ENOUGH * (limit + _SPARE):
        # A first floor from those with the best bounds saves estimates of most of the others.
        best = np.partition(np.concatenate(bounds), -2 * (limit + _SPARE))[-2 * (limit + _SPARE)]
        some = _estimate(question, segments, found, bounds, best)
        floor = max(floor, _reached(question, limit, np.concatenate([each for each, _ in some])))
    pairs = _estimate(question, segments, found, bounds, floor)
    estimate = np.concatenate([each for each, _ in pairs])
    if limit is not None:
        floor = max(floor, _reached(question, limit, estimate))
    chosen = estimate + question.error_exact >= floor
    return floor, np.concatenate([ids for _, ids in pairs])[chosen]


def _estimate(
    question: Question,
    segments: Sequence[Segment],
    found: Sequence[Nearest],
    bounds: Sequence[NDArray[np.float64]],
    floor: float,
) -> list[tuple[NDArray[np.float64], Ids]]:
    """Return the estimates and ids of the rows of each segment whose bound is high enough."""
    pairs = []
    for segment, (_, rows), bound in zip(segments, found, bounds, strict=True):
        some = rows[bound >= floor]
        some = some[segment.alive[some]]
        pairs.append((segment.estimates(question, some), segment.ids[some]))
    return pairs


def _reached(question: Question, limit: int, estimate: NDArray[np.float64]) -> float:
    """Return a score that ``limit`` vectors reach: the lowest of their lower bounds."""
    if len(estimate) < limit:
        return -np.inf
    return float(np.partition(estimate, -limit)[-limit]) - question.error_exact
