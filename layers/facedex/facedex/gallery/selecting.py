"""The vectors of segments that may be among the best, found from their codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.coding import NORM, Questions
from facedex.gallery.products import products
from facedex.gallery.scanning import Ids, Segment

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
# Probes that ONNX Runtime multiplies at once: the width of its kernel, with which it is fastest.
_GROUP: Final = 48
# Rows whose products with a group fit into the cache of a processor.
_BLOCK: Final = 4096
# Pairs whose codes are read together, for the same reason.
_READ: Final = 2048
# Pairs of a segment whose codes are read. With more, Postgres takes less time and memory.
_MOST: Final = 2_000_000
# Rows that give a first lower bound on the best scores.
FIRST: Final = 4096


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
        ]
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


def select(
    segment: Segment, questions: Questions, floors: Floats, first: int = 0, last: int | None = None
) -> Chosen:
    """Return all vectors of a segment whose scores may reach the floors.

    Args:
        floors: (p,) a score for each question.
        first, last: the range of rows that is searched.
    """
    least = np.floor((floors - questions.offset) / questions.step) - 1
    least = np.clip(least, -(2**31), 2**31 - 1).astype(np.int32)
    heads, count = segment.heads[:last], len(floors)
    groups = [
        # NumPy compares arrays of one shape much faster than a row with each row.
        (start, questions.heads[:, start : start + _GROUP], np.tile(some, (_BLOCK, 1)))
        for start in range(0, count, _GROUP)
        if len(some := least[start : start + _GROUP])
    ]
    places: list[Numbers] = [np.zeros(0, np.int64)]
    values: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    chosen = 0
    for begin in range(first, len(heads), _BLOCK):
        block = heads[begin : begin + _BLOCK]
        for start, probes, limits in groups:
            found = products(block, np.ascontiguousarray(probes))
            above = np.flatnonzero(found > limits[: len(block)])
            rows, numbers = np.divmod(above, probes.shape[1])
            places.append((rows + begin) * count + numbers + start)
            values.append(found.ravel()[above])
            chosen += len(above)
        if chosen > _MOST:
            none = np.zeros(0, np.int64)
            return Chosen(none, none.astype(np.float64), segment.ids[:0], complete=False)
    rows, numbers = np.divmod(np.concatenate(places), count)
    pairs = Pairs([segment], [len(rows)], numbers, rows)
    return refine(pairs, questions, floors, np.concatenate(values))


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
    keep = (bounds >= floors[pairs.numbers]) & pairs.read(lambda each, rows: each.alive[rows])
    pairs, bounds = pairs.where(keep), bounds[keep]
    if any(segment.tails.shape[1] for segment in pairs.segments):
        bounds = _in_parts(
            lambda some, part: questions.closer_bounds(
                some.numbers,
                bounds[part],
                some.read(lambda each, rows: each.heads[rows, NORM]),
                some.read(_tails),
            ),
            pairs,
        )
        pairs = pairs.where(bounds >= floors[pairs.numbers])
    estimates = estimate(pairs, questions)
    keep = estimates + questions.error[pairs.numbers] >= floors[pairs.numbers]
    pairs = pairs.where(keep)
    return Chosen(pairs.numbers, estimates[keep], pairs.read(lambda each, rows: each.ids[rows]))


def estimate(pairs: Pairs, questions: Questions) -> Floats:
    """Return estimates of the scores of pairs, (n,)."""
    return _in_parts(
        lambda some, _: questions.estimates(
            some.numbers, some.read(lambda each, rows: each.heads[rows]), some.read(_tails)
        ),
        pairs,
    )


def first_floors(segment: Segment, questions: Questions, limit: int, min_score: float) -> Floats:
    """Return scores that the ``limit`` best vectors reach, judged by some rows, (p,)."""
    found = products(segment.heads[:FIRST], questions.heads)
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


def _tails(segment: Segment, rows: Numbers) -> NDArray[np.int8]:
    return segment.tails[rows]


def _in_parts(compute: Callable[[Pairs, slice], Floats], pairs: Pairs) -> Floats:
    """Return what a function computes for parts of pairs whose codes fit into the cache."""
    count = len(pairs.rows)
    parts = [slice(begin, min(begin + _READ, count)) for begin in range(0, count, _READ)]
    return np.concatenate([np.zeros(0), *(compute(pairs.part(part), part) for part in parts)])
