"""The candidates of a gallery: the vectors that may be among the best of each question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.questions import Questions
from facedex.gallery.scanning import SEGMENT, Ids, Segment
from facedex.gallery.selecting import (
    Chosen,
    Floats,
    Pairs,
    Selection,
    are_many,
    estimate,
    first_floors,
    reached,
    refine,
)
from facedex.parallel import run_on_all

# Rows that FAISS returns of a gallery of one segment: some, and more for each match that is wanted.
# For a segment, the number is multiplied by its share of all rows, to the power given. In about
# 99 of 100 searches of galleries that are distributed like faces, this is more than is needed.
_DEPTH: Final = 170
_DEPTH_PER_MATCH: Final = 18
_DEPTH_EXPONENT: Final = 0.6
_LEAST_DEPTH: Final = 32
# The best rows by their bounds, for each match that is wanted and besides, give a first floor.
_SPARE: Final = 16
# Rows that a thread searches at once for many questions; for few it searches a segment. The first
# parts raise the floors for all others.
_PART: Final = 8192
_FIRST_PARTS: Final = 2
# With more pairs than this for each candidate allowed, reading further segments is of no use.
_HOPELESS: Final = 20


class Choice:
    """The best pairs so far, and the floor of each question: vectors below it cannot be wanted.

    Args:
        limit: number of best vectors wanted; None for all.
        min_score: minimum score of a vector.
        most: maximum number of candidates of a question.

    Attributes:
        floors: (p,) scores; infinite for a question with too many candidates.
    """

    def __init__(
        self, questions: Questions, limit: int | None, min_score: float, most: int
    ) -> None:
        self._questions, self._limit, self._most = questions, limit, most
        self.floors: Floats = np.full(len(questions.offset), min_score)
        self._numbers: NDArray[np.int64] = np.zeros(0, np.int64)
        self._estimates: Floats = np.zeros(0)
        self._ids: Ids = np.zeros((0, 2), np.uint64)

    def raise_floors(self, floors: Floats) -> None:
        """Raise floors to scores that enough vectors are known to reach."""
        self.floors = np.maximum(self.floors, floors)

    def add(self, found: Sequence[Chosen]) -> None:
        """Add pairs of further segments, and leave out those that a higher floor excludes."""
        if not all(each.complete for each in found):
            self.floors = np.full_like(self.floors, np.inf)
        numbers = np.concatenate([self._numbers, *(each.numbers for each in found)])
        estimates = np.concatenate([self._estimates, *(each.estimates for each in found)])
        ids = np.concatenate([self._ids, *(each.ids for each in found)])
        order = np.lexsort((-estimates, numbers))
        numbers, estimates, ids = numbers[order], estimates[order], ids[order]
        starts = np.searchsorted(numbers, np.arange(len(self.floors) + 1))
        counts = np.diff(starts)
        if self._limit is not None:
            enough = counts >= self._limit
            worst = estimates[starts[:-1][enough] + self._limit - 1]
            self.floors[enough] = np.maximum(
                self.floors[enough], worst - self._questions.error[enough]
            )
        allowed = self._most if self._limit is None else _HOPELESS * self._most
        self.floors[counts > allowed] = np.inf
        keep = estimates + self._questions.error[numbers] >= self.floors[numbers]
        self._numbers, self._estimates, self._ids = numbers[keep], estimates[keep], ids[keep]

    def results(self) -> list[tuple[float, Ids, Floats] | None]:
        """Return the floor, the candidates and their bounds of each question.

        Returns:
            None for a question with too many candidates.
        """
        ends = np.searchsorted(self._numbers, np.arange(1, len(self.floors)))
        bounds = self._estimates + self._questions.error[self._numbers]
        return [
            None if (np.isinf(floor) and floor > 0) or len(ids) > self._most else (floor, ids, some)
            for floor, ids, some in zip(
                self.floors.tolist(), np.split(self._ids, ends), np.split(bounds, ends), strict=True
            )
        ]


def depth(limit: int, share: float) -> int:
    """Return the number of rows that FAISS returns of a segment with this share of all rows."""
    most = _DEPTH + _DEPTH_PER_MATCH * limit
    return max(_LEAST_DEPTH, math.ceil(most * math.pow(share, _DEPTH_EXPONENT)))


def choose_in_waves(
    segments: Sequence[Segment],
    questions: Questions,
    limit: int | None,
    min_score: float,
    most: int,
) -> Choice:
    """Choose by matrix products, for many questions or many matches.

    What is found in some rows raises the floors for the next, of which there are twice as many.
    """
    choice = Choice(questions, limit, min_score, most)
    if limit is not None:
        choice.raise_floors(first_floors(segments[0], questions, limit, min_score))
    rows = _PART if are_many(questions) else SEGMENT
    parts = [
        (segment, first, first + rows)
        for segment in segments
        for first in range(0, segment.used, rows)
    ]
    size = _FIRST_PARTS
    while parts:
        choice.add(run_on_all(parts[:size], Selection(questions, choice.floors).among))
        parts, size = parts[size:], 2 * size
    return choice


def choose_nearest(
    segments: Sequence[Segment], questions: Questions, limit: int, min_score: float, most: int
) -> Choice:
    """Choose by FAISS, which is the fastest for one question and few matches.

    It returns the best rows of each segment. Where all of these may be wanted, there may be more,
    and the segment is searched by a matrix product.
    """
    choice = Choice(questions, limit, min_score, most)
    heads = questions.heads.T.astype(np.float32)
    rows = sum(segment.used for segment in segments)
    nearest = run_on_all(
        segments, lambda each: each.nearest(heads, depth(limit, each.used / max(1, rows)))
    )
    found = np.concatenate([products[0] for products, _ in nearest])
    pairs = Pairs(
        segments,
        np.cumsum([rows.shape[1] for _, rows in nearest]).tolist(),
        np.zeros(len(found), np.int64),
        np.concatenate([rows[0] for _, rows in nearest]),
    )
    bounds = questions.bounds(pairs.numbers, found)
    some = 2 * (limit + _SPARE)
    if len(found) > 2 * some:
        # A first floor from the best bounds leaves fewer codes to be read.
        best = pairs.where(bounds >= np.partition(bounds, -some)[-some])
        estimates = estimate(best, questions)
        estimates[~best.read(lambda each, rows: each.alive[rows])] = -np.inf
        choice.raise_floors(reached(estimates[None], limit) - questions.error)
    counts = np.array([rows.shape[1] for _, rows in nearest])
    worst = bounds[np.cumsum(counts) - 1]
    more = (counts < [segment.used for segment in segments]) & (worst >= choice.floors[0])
    whole = np.repeat(~more, counts)
    choice.add([refine(pairs.where(whole), questions, choice.floors, found[whole])])
    if more.any():
        full = [segments[number] for number in np.flatnonzero(more).tolist()]
        selection = Selection(questions, choice.floors)
        choice.add(run_on_all([(each, 0, each.used) for each in full], selection.among))
    return choice
