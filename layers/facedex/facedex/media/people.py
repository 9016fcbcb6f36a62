"""Merging of the tracks that show the same person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from facedex.vision.faces import Box

if TYPE_CHECKING:
    from facedex.media.tracking import Track

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# The similarity from which two tracks count as one person: one pair of different people in 10,000
# reaches it.
SAME_PERSON: Final = 99.0

BORDER: Final = 700  # ms between a track's end and the track of the next segment that continues it
MOVED: Final = 0.6  # of a face's size; how far it may have moved between
LOOSE: Final = 2  # times the distance of one person's tracks elsewhere that is allowed
RESIZED: Final = 1.5  # times; how much it may have grown or shrunk

BLOCK: Final = 64  # groups whose nearest are searched for at once: for 15,000 in 8 MB


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """The properties of a track that decide which person it shows.

    Attributes:
        segment: number of the segment it was found in.
        start, end: ms of its first and last sighting.
        first, last: where the face was then.
        vector: (d,) unit.
        views: how many views the vector is the mean of.
        clear: whether the vector identifies the person.
    """

    segment: int
    start: int
    end: int
    first: Box
    last: Box
    vector: Floats
    views: int
    clear: bool = True

    @classmethod
    def of(cls, track: Track, segment: int) -> Appearance:
        """Return the appearance of a track."""
        first, last = track.sightings[0], track.sightings[-1]
        return cls(
            segment,
            first.timestamp,
            last.timestamp,
            first.face.box,
            last.face.box,
            track.vector,
            track.views,
            track.clear,
        )


def merge(appearances: Sequence[Appearance], *, cosine: float) -> list[list[int]]:
    """Return groups of indices, a group for each person, in the order of first appearance.

    Tracks that go on across a segment's border, at the same place and not clearly of different
    people, are one person's. So are tracks whose vectors have a mean inner product of at least
    ``cosine`` (average linkage, the closest first), unless both show a face at the same moment: a
    person is in one place at a time. A person's mirror image or portrait in the picture therefore
    counts as another person. Tracks that are not clear are joined across borders only: too dark,
    blurred or averted to be distinguished, each counts as a person of its own.
    """
    if not appearances:
        return []
    order = sorted(range(len(appearances)), key=lambda index: _when(appearances[index]))
    ordered = [appearances[index] for index in order]
    groups = _Groups(ordered)
    for before, after in _across_borders(ordered, cosine):
        groups.join(before, after)
    groups.join_closest(cosine)
    return [[order[member] for member in members] for members in groups.members()]


def _when(appearance: Appearance) -> tuple[float, ...]:
    return (appearance.start, *appearance.first, appearance.end)


def _across_borders(appearances: Sequence[Appearance], cosine: float) -> Iterable[tuple[int, int]]:
    """Yield pairs (track, the track of the next segment that continues it)."""
    by_segment: dict[int, list[int]] = {}
    for index, appearance in enumerate(appearances):
        by_segment.setdefault(appearance.segment, []).append(index)
    for segment, earlier in sorted(by_segment.items()):
        pairs = [
            (distance, before, after)
            for after in by_segment.get(segment + 1, ())
            for before in earlier
            if (distance := _jump(appearances[before], appearances[after], cosine)) is not None
        ]
        taken: set[tuple[str, int]] = set()
        for _, before, after in sorted(pairs):
            if ("before", before) not in taken and ("after", after) not in taken:
                taken |= {("before", before), ("after", after)}
                yield before, after


def _jump(before: Appearance, after: Appearance, cosine: float) -> float | None:
    """Return how far a face has moved across a border, in its sizes; None for another face."""
    if not 0 < after.start - before.end <= BORDER:
        return None
    size = (
        (before.last.width + after.first.width) / 2,
        (before.last.height + after.first.height) / 2,
    )
    ratio = after.first.height / max(before.last.height, 1e-6)
    across = (_middle(before.last)[0] - _middle(after.first)[0]) / max(size[0], 1e-6)
    down = (_middle(before.last)[1] - _middle(after.first)[1]) / max(size[1], 1e-6)
    distance = float(np.hypot(across, down))
    if distance > MOVED or not 1 / RESIZED <= ratio <= RESIZED:
        return None
    # The place already suggests the same person: the vectors only must not contradict it.
    loose = 1 - LOOSE * (1 - cosine)
    clear = before.clear and after.clear
    return distance if not clear or float(before.vector @ after.vector) >= loose else None


def _middle(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


class _Groups:
    """Groups of appearances, at first one each; a group is stored at its lowest member's index."""

    def __init__(self, appearances: Sequence[Appearance]) -> None:
        count = len(appearances)
        self._members: dict[int, list[int]] = {index: [index] for index in range(count)}
        self._home = list(range(count))
        # An unclear appearance does not count in its group's mean.
        weights = [max(1, one.views) if one.clear else 0 for one in appearances]
        self._weights = np.array(weights, dtype=np.float64)
        vectors = np.array([one.vector for one in appearances], dtype=np.float64)
        self._sums = vectors.reshape(count, -1) * self._weights[:, None]
        self._apart = _overlapping(appearances)

    def members(self) -> list[list[int]]:
        return [sorted(group) for _, group in sorted(self._members.items())]

    def join(self, one: int, other: int) -> bool:
        """Join the groups of two appearances, unless they are seen at the same moment."""
        one, other = sorted((self._home[one], self._home[other]))
        if one == other or other in self._apart[one]:
            return False
        for member in self._members[other]:
            self._home[member] = one
        self._members[one] += self._members.pop(other)
        self._sums[one] += self._sums[other]
        self._weights[one] += self._weights[other]
        for third in self._apart[other]:
            self._apart[third].discard(other)
            self._apart[third].add(one)
        self._apart[one] |= self._apart[other]
        self._apart[other] = set()
        return True

    def join_closest(self, cosine: float) -> None:
        """Join the two closest groups until none are as close as ``cosine``.

        The mean inner product of the members of two groups is that of their mean vectors. A third
        group is no closer to the mean of two than to the closer of both: so the closeness of its
        nearest before they were joined is a bound, and the new nearest is searched for only when
        that bound is the highest of all (Müllner, Modern hierarchical, agglomerative clustering
        algorithms, 2011, section 3.1).
        """
        alive = np.zeros(len(self._home), dtype=bool)
        alive[list(self._members)] = True
        alive &= self._weights > 0
        means = self._sums / np.maximum(self._weights, 1)[:, None]
        nearest = np.full(len(alive), -1)
        close = np.full(len(alive), -np.inf)
        known = np.ones(len(alive), dtype=bool)
        rows = np.flatnonzero(alive)
        for block in np.array_split(rows, len(rows) // BLOCK + 1):
            self._find_nearest(block, alive, means, nearest, close)
        while len(alive) and close.max() >= cosine:
            index = int(close.argmax())
            if not known[index]:
                self._find_nearest(np.array([index]), alive, means, nearest, close)
                known[index] = True
                continue
            one, other = sorted((index, int(nearest[index])))
            self.join(one, other)
            close[one] = max(close[one], close[other])
            alive[other], close[other] = False, -np.inf
            means[one] = self._sums[one] / self._weights[one]
            known[one] = False
            known[(nearest == one) | (nearest == other)] = False

    def _find_nearest(
        self,
        rows: NDArray[np.intp],
        alive: NDArray[np.bool_],
        means: Doubles,
        nearest: NDArray[np.intp],
        close: Doubles,
    ) -> None:
        """Find the nearest other group of some groups."""
        likeness = means[rows] @ means.T
        likeness[:, ~alive] = -np.inf
        for row, index in enumerate(rows.tolist()):
            likeness[row, [index, *self._apart[index]]] = -np.inf
        nearest[rows] = likeness.argmax(axis=1)
        close[rows] = likeness.max(axis=1)


def _overlapping(appearances: Sequence[Appearance]) -> list[set[int]]:
    """Return, for each appearance in order of start, the others seen at the same moment."""
    apart: list[set[int]] = [set() for _ in appearances]
    running: list[int] = []
    for index, appearance in enumerate(appearances):
        running = [one for one in running if appearances[one].end >= appearance.start]
        for one in running:
            apart[one].add(index)
            apart[index].add(one)
        running.append(index)
    return apart
