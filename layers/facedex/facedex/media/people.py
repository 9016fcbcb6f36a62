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

# Minimum similarity of two tracks of one person; one pair of different people in 10,000 reaches it.
SAME_PERSON: Final = 99.0

# Limits between a track's end and its continuation in the next segment.
BORDER: Final = 700  # ms
MOVED: Final = 0.6  # distance of the two positions, in sizes of the face
LOOSE: Final = 2  # distance of the vectors, as a multiple of that allowed elsewhere
RESIZED: Final = 1.5  # ratio of the two sizes

BLOCK: Final = 64  # groups compared with all others at once: 8 MB for 15,000 groups


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """The properties of a track that determine which person it shows.

    Attributes:
        segment: number of its segment.
        start, end: times of its first and last sighting, ms.
        first, last: the boxes of the face at those times.
        vector: (d,) unit.
        views: number of views whose mean is the vector.
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
    """Group the tracks of each person.

    Two tracks show one person if one continues the other across a segment's border, at the same
    position and without clearly different vectors. Tracks are also joined if their vectors have a
    mean inner product of at least ``cosine`` (average linkage, closest first), unless both show a
    face at the same time, as a person is in one place at a time. The mirror image or portrait of a
    person in the picture therefore counts as another person. Unclear tracks, which are too dark,
    blurred or averted to be distinguished, are joined only across borders; otherwise each counts as
    a separate person.

    Args:
        appearances: the tracks.
        cosine: minimum mean inner product of the vectors of one person's tracks.

    Returns:
        Groups of indices, one for each person, in the order of first appearance.
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
    """Return the distance between two faces across a border, in face sizes; None if they differ."""
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
    # The position already suggests the same person; the vectors only must not contradict it.
    loose = 1 - LOOSE * (1 - cosine)
    clear = before.clear and after.clear
    return distance if not clear or float(before.vector @ after.vector) >= loose else None


def _middle(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


class _Groups:
    """Groups of appearances, initially one each; a group is stored at its lowest member's index."""

    def __init__(self, appearances: Sequence[Appearance]) -> None:
        count = len(appearances)
        self._members: dict[int, list[int]] = {index: [index] for index in range(count)}
        self._home = list(range(count))
        # An unclear appearance does not contribute to its group's mean.
        weights = [max(1, one.views) if one.clear else 0 for one in appearances]
        self._weights = np.array(weights, dtype=np.float64)
        vectors = np.array([one.vector for one in appearances], dtype=np.float64)
        self._sums = vectors.reshape(count, -1) * self._weights[:, None]
        self._apart = _overlapping(appearances)

    def members(self) -> list[list[int]]:
        return [sorted(group) for _, group in sorted(self._members.items())]

    def join(self, one: int, other: int) -> bool:
        """Join the groups of two appearances, unless both are seen at the same time."""
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

        The mean inner product of the members of two groups is the inner product of the groups' mean
        vectors. A third group is never closer to a joined group than to the closer one of its two
        parts. The closeness before they were joined is therefore an upper bound, and a new nearest
        group is searched for only if that bound is the highest of all (Müllner, Modern
        hierarchical, agglomerative clustering algorithms, 2011, section 3.1).
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
        """Find the nearest other group of each of the groups in ``rows``."""
        likeness = means[rows] @ means.T
        likeness[:, ~alive] = -np.inf
        for row, index in enumerate(rows.tolist()):
            likeness[row, [index, *self._apart[index]]] = -np.inf
        nearest[rows] = likeness.argmax(axis=1)
        close[rows] = likeness.max(axis=1)


def _overlapping(appearances: Sequence[Appearance]) -> list[set[int]]:
    """Return, for each appearance in order of start, the others seen at the same time."""
    apart: list[set[int]] = [set() for _ in appearances]
    running: list[int] = []
    for index, appearance in enumerate(appearances):
        running = [one for one in running if appearances[one].end >= appearance.start]
        for one in running:
            apart[one].add(index)
            apart[index].add(one)
        running.append(index)
    return apart
