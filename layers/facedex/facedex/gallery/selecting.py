"""The vectors of segments that may be among the best, found from their codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.coding import NORM
from facedex.gallery.products import products
from facedex.gallery.questions import Questions
from facedex.gallery.scanning import Ids, Segment

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
# Probes that are multiplied at once, a multiple of the width of ONNX Runtime's kernels. Threads
# wait for each other between products, so that a few large ones are faster than many small ones.
_GROUP: Final = 112
# At least so many questions are many: twelve take as long either way.
_MANY: Final = 12
# Rows whose products with a group fit into the cache of a processor.
_BLOCK: Final = 4096
# Pairs whose codes are read together, for the same reason.
_READ: Final = 2048
# Pairs for each row of which the codes are read. With more, Postgres takes less time and memory.
_MOST: Final = 30
# Rows that give a first lower bound on the best scores.
_FIRST: Final = 4096


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of a question and a row of a segment.

    Attributes:
        segments: the segments.
        ends: for each segment the end of its pairs.
        numbers: (n,) numbers of the questions.
        rows: (n,) rows.
    """

    segments: Sequence[Segment]
    ends: Sequence[int]
    numbers: Numbers
    rows: Numbers

    def where(self, keep: NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs."""
        counts = np.cumsum(keep)
        ends = [int(counts[end - 1]) if end else 0 for end in self.ends]
        return Pairs(self.segments, ends, self.numbers[keep], self.rows[keep])

    def part(self, some: slice) -> Pairs:
        """Return the pairs of a range."""
        ends = [min(max(end, some.start), some.stop) - some.start for end in self.ends]
        return Pairs(self.segments, ends, self.numbers[some], self.rows[some])

    def read(self, look: Callable[[Segment, Numbers], Any]) -> Any:
        """Return what a function reads of rows of a segment, for all pairs."""
        begins = (0, *self.ends[:-1])
        parts = [
            look(segment, self.rows[begin:end])
            for segment, begin, end in zip(self.segments, begins, self.ends, strict=True)
            if end > begin
        ]
        if not parts:
            return look(self.segments[0], self.rows)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Pairs of a question and a vector whose score may reach the question's floor.

    Attributes:
        numbers: (n,) numbers of the questions.
        estimates: (n,) estimates of the scores.
        ids: (n, 2) ids of the vectors.
        complete: False if there were too many pairs, which then are left out.
    """

    numbers: Numbers
    estimates: Floats
    ids: Ids
    complete: bool = True


class Selection:
    """A choice by matrix products, with fixed floors.

    Args:
        floors: (p,) a score for each question.
    """

    def __init__(self, questions: Questions, floors: Floats) -> None:
        self._questions, self._floors = questions, floors
        self._whole = are_many(questions)
        self._groups = [
            _Group(questions, floors, slice(start, start + _GROUP), whole=self._whole)
            for start in range(0, len(floors), _GROUP)
        ]

    def among(self, part: tuple[Segment, int, int]) -> Chosen:
        """Return the vectors whose scores may reach the floors.

        Args:
            part: a segment, and the first row and the end of those that are searched.
        """
        segment, first, last = part
        heads = segment.heads[:last]
        found: list[tuple[Numbers, Numbers, NDArray[np.int32]]] = []
        room = _MOST * (len(heads) - first)
        for begin in range(first, len(heads), _BLOCK):
            block = slice(begin, min(begin + _BLOCK, len(heads)))
            for group in self._groups:
                found.append(group.reach(heads[block], segment.tails[block], begin))
                room -= len(found[-1][0])
            if room < 0:
                none = np.zeros(0, np.int64)
                return Chosen(none, self._floors[:0], segment.ids[:0], complete=False)
        numbers, rows, values = (np.concatenate(each) for each in zip(*found, strict=True))
        pairs = Pairs([segment], [len(rows)], numbers, rows)
        if not self._whole:
            return refine(pairs, self._questions, self._floors, values)
        pairs = pairs.where(segment.alive[rows])
        tails = _products_of_tails(pairs, self._questions)
        return _estimated(pairs, tails, self._questions, self._floors)


def are_many(questions: Questions) -> bool:
    """Return whether all tails are multiplied, too.

    A few questions are answered in the time in which the codes are read, of which the heads are the
    half. Then the tails of the rows that the heads leave are read one by one.
    """
    return len(questions.offset) >= _MANY


class _Group:
    """Questions that are multiplied together.

    Args:
        floors: (p,) a score for each question, of all questions.
        some: which of them.
        whole: whether tails are multiplied.
    """

    def __init__(self, questions: Questions, floors: Floats, some: slice, *, whole: bool) -> None:
        self._first = some.start
        self._heads = questions.heads[:, some].copy()
        self._tails = questions.whole_tails[:, some].copy()
        self._multiplied = whole and len(self._tails) > 0
        if whole:
            # The norms of the tails stand for tails that are not known.
            self._heads[NORM] = 0
        offset = (questions.whole_offset if whole else questions.offset)[some]
        least = np.floor((floors[some] - offset) / questions.step[some]) - 1
        least = np.clip(least, -(2**31), 2**31 - 1).astype(np.int32)
        # NumPy compares arrays of one shape much faster than a row with each row.
        self._least = np.tile(least, (_BLOCK, 1))

    def reach(
        self, heads: NDArray[np.uint8], tails: NDArray[np.uint8], begin: int
    ) -> tuple[Numbers, Numbers, NDArray[np.int32]]:
        """Return pairs of questions and rows whose bounds reach the floors, and their products.

        Args:
            heads, tails: (n, h) and (n, t), the codes of some rows.
            begin: the number of the first of these rows.
        """
        found = products(heads, self._heads)
        if self._multiplied:
            found += products(tails, self._tails)
        above = np.flatnonzero(found > self._least[: len(heads)])
        rows, numbers = np.divmod(above, found.shape[1])
        return numbers + self._first, rows + begin, found.ravel()[above]


def refine(
    pairs: Pairs,
    questions: Questions,
    floors: Floats,
    found: NDArray[np.int32] | NDArray[np.float32],
) -> Chosen:
    """Return those pairs whose scores may reach the floors.

    The bound from the product of the heads holds for every tail of the same norm. The tail itself
    gives a closer one, and leaves few heads to be read once more without rounding the question.

    Args:
        floors: (p,) a score for each question.
        found: (n,) the products of the heads.
    """
    bounds = questions.bounds(pairs.numbers, found)
    keep = bounds >= floors[pairs.numbers]
    pairs, bounds = pairs.where(keep), bounds[keep]
    tails = _products_of_tails(pairs, questions)
    if any(segment.tails.shape[1] for segment in pairs.segments):
        norms = pairs.read(lambda each, rows: each.heads[rows, NORM])
        bounds = questions.closer_bounds(pairs.numbers, bounds, norms, tails)
        keep = bounds >= floors[pairs.numbers]
        pairs, tails = pairs.where(keep), tails[keep]
    # Removed rows have low bounds, so that few remain, and are only now left out.
    alive = pairs.read(lambda each, rows: each.alive[rows])
    return _estimated(pairs.where(alive), tails[alive], questions, floors)


def _estimated(pairs: Pairs, tails: Floats, questions: Questions, floors: Floats) -> Chosen:
    """Return those pairs whose estimates may reach the floors.

    Args:
        tails: (n,) the products of the tails.
    """
    estimates = _estimate(pairs, tails, questions)
    keep = estimates + questions.error[pairs.numbers] >= floors[pairs.numbers]
    pairs = pairs.where(keep)
    return Chosen(pairs.numbers, estimates[keep], pairs.read(lambda each, rows: each.ids[rows]))


def estimate(pairs: Pairs, questions: Questions) -> Floats:
    """Return estimates of the scores of pairs, (n,)."""
    return _estimate(pairs, _products_of_tails(pairs, questions), questions)


def _estimate(pairs: Pairs, tails: Floats, questions: Questions) -> Floats:
    return _in_parts(
        lambda some, part: questions.estimates(
            some.numbers, some.read(lambda each, rows: each.heads[rows]), tails[part]
        ),
        pairs,
    )


def _products_of_tails(pairs: Pairs, questions: Questions) -> Floats:
    """Return the products of the tails of pairs with those of their questions, (n,)."""
    return _in_parts(
        lambda some, _: questions.products_of_tails(
            some.numbers, some.read(lambda each, rows: each.tails[rows])
        ),
        pairs,
    )


def first_floors(segment: Segment, questions: Questions, limit: int, min_score: float) -> Floats:
    """Return scores that the ``limit`` best vectors reach, judged by some rows, (p,)."""
    found = products(segment.heads[:_FIRST], questions.heads)
    some = min(len(found), 2 * limit + 32)
    best = np.argpartition(found, len(found) - some, axis=0)[len(found) - some :].T
    numbers, rows = np.repeat(np.arange(len(best)), some), best.ravel()
    estimates = estimate(Pairs([segment], [len(rows)], numbers, rows), questions)
    estimates[~segment.alive[rows]] = -np.inf
    return np.maximum(reached(estimates.reshape(best.shape), limit) - questions.error, min_score)


def reached(estimates: Floats, limit: int) -> Floats:
    """Return the ``limit``-th best of (p, n) estimates, (p,); -inf if there are fewer."""
    if estimates.shape[1] < limit:
        return np.full(len(estimates), -np.inf)
    best: Floats = np.partition(estimates, -limit, axis=1)[:, -limit]
    return best


def _in_parts(compute: Callable[[Pairs, slice], Floats], pairs: Pairs) -> Floats:
    """Return what a function computes for parts of pairs whose codes fit into the cache."""
    count = len(pairs.rows)
    parts = [slice(begin, min(begin + _READ, count)) for begin in range(0, count, _READ)]
    return np.concatenate([np.zeros(0), *(compute(pairs.part(part), part) for part in parts)])
