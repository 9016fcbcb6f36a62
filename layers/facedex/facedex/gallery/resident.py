"""A gallery in memory, and the search that leaves few vectors to compare exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.blocks import Block
from facedex.gallery.choosing import Choice, choose_in_waves, choose_nearest
from facedex.gallery.coding import Coder, Codes, head_bytes
from facedex.gallery.loading import Loader
from facedex.gallery.rotation import Vectors
from facedex.gallery.scanning import SEGMENT, Ids, Segment, available
from facedex.gallery.selecting import Floats

# FAISS is faster for at most this many probes and matches.
_MOST_PROBES: Final = 3
_MOST_MATCHES: Final = 100
# More outliers than this, and than this share of the vectors, make every search slow.
_MOST_OUTLIERS: Final = 256
_MOST_OF_ALL: Final = 0.001
_SMALLEST: Final = 1024  # rows of a segment
# Vectors that the code is fitted to, to save memory.
_SAMPLE: Final = 16_384
# Bytes of a row apart from those of its dimensions: its id, its marks and the special bytes.
_BYTES_OF_ROW: Final = 24


@dataclass(frozen=True, slots=True)
class Candidates:
    """The vectors among which the best ones are.

    Attributes:
        ids: (n, 2) ids, those with the best bounds first.
        bounds: (n,) scores that these vectors do not exceed.
        floor: all other vectors of the gallery have a lower score than this.
    """

    ids: Ids
    bounds: Floats
    floor: float


class Resident:
    """A gallery in memory.

    One thread at a time may write; others may search meanwhile, and then find the rows that are
    being written or not. It is the caller's task to add such rows to the candidates.

    Args:
        sample: (n, d) vectors of the gallery, to which the code is fitted.
        expected: number of vectors that the gallery will have at first.
        allocate: returns the memory of each segment; None for private memory.

    Attributes:
        coder: the code.
        outliers: the vectors without a code, (d,) float16, by their ids.
    """

    def __init__(
        self,
        sample: Vectors,
        expected: int,
        allocate: Callable[[int], Block] | None = None,
    ) -> None:
        coder = Coder(sample[:: -(-len(sample) // _SAMPLE)], scanned=available())
        self._begin(coder, segment_rows(expected), allocate)

    def _begin(self, coder: Coder, rows: int, allocate: Callable[[int], Block] | None) -> None:
        self.coder, self._rows, self._allocate = coder, rows, allocate
        # Replaced, never changed, so that a search can use the one that it has read.
        self._segments: tuple[Segment, ...] = ()
        self._taking = Lock()
        self.outliers: dict[tuple[int, int], NDArray[np.float16]] = {}
        self._lacks_outliers = False

    @classmethod
    def shared(
        cls,
        coder: Coder,
        segments: Iterable[Segment],
        outliers: tuple[Ids, NDArray[np.float16]],
    ) -> Resident:
        """Return a gallery that another process writes.

        Args:
            outliers: their ids, (n, 2), and vectors, (n, d).
        """
        resident = cls.__new__(cls)
        resident._begin(coder, SEGMENT, None)
        resident._segments = tuple(segments)
        resident._keep_outliers(*outliers)
        return resident

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments."""
        return self._segments

    def listed_outliers(self) -> tuple[Ids, NDArray[np.float16]]:
        """Return the ids of the outliers, (n, 2), and their vectors, (n, d)."""
        pairs = list(self.outliers.items())
        ids = np.array([key for key, _ in pairs], np.uint64).reshape(-1, 2)
        vectors = np.array([vector for _, vector in pairs], np.float16)
        return ids, vectors.reshape(len(ids), self.coder.dimension)

    @property
    def nbytes(self) -> int:
        """The memory of the copy, in bytes."""
        return sum(segment.nbytes for segment in self._segments)

    @property
    def size(self) -> int:
        """The number of vectors."""
        present = sum(segment.used - segment.removed for segment in self._segments)
        return present + len(self.outliers)

    @property
    def usable(self) -> bool:
        """Whether the code suits the gallery: few vectors are outliers, and always were."""
        most = max(_MOST_OUTLIERS, _MOST_OF_ALL * self.size)
        return not self._lacks_outliers and len(self.outliers) <= most

    def loader(self) -> Loader:
        """Return a loader for a thread; it makes segments of vectors that are not there yet."""
        return Loader(self._rows, self.coder, self._segment, self._take, self._keep_outliers)

    def load(self, ids: Ids, vectors: Vectors) -> None:
        """Add the vectors of a gallery."""
        loader = self.loader()
        loader.add(ids, vectors)
        loader.finish()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors; those that are there already must be removed before."""
        codes = self.coder.encode(vectors)
        self._keep_outliers(ids[codes.outliers], vectors[codes.outliers])
        rows = np.flatnonzero(~codes.outliers)
        while len(rows):
            open_one = self._open_segment()
            some, rows = rows[: open_one.room], rows[open_one.room :]
            open_one.append(
                ids[some],
                Codes(codes.heads[some], codes.tails[some], codes.outliers[some]),
            )

    def remove(self, ids: Ids) -> None:
        """Remove vectors; unknown ids are ignored."""
        for key in map(tuple, ids.tolist()):
            self.outliers.pop(key, None)
        changed = [segment for segment in self._segments if segment.remove(ids)]
        if any(map(_is_sparse, changed)):
            self._merge()

    def search(
        self, probes: Sequence[Vectors], *, limit: int | None, min_score: float, most: int
    ) -> list[Candidates | None]:
        """Return the candidates of each probe: the ``limit`` best vectors are among them.

        Args:
            probes: (d,) vectors.
            limit: number of best vectors wanted; None for all.
            min_score: minimum score of a vector.
            most: maximum number of candidates of a probe.

        Returns:
            For each probe its candidates, or None if there are too many for a comparison.
        """
        segments = self._segments
        if not self.usable:
            return [None for _ in probes]
        asked = np.stack(probes)
        if not segments:
            choices = [Choice(self.coder.questions(asked), limit, min_score, most)]
        elif (
            not available() or limit is None or limit > _MOST_MATCHES or len(probes) > _MOST_PROBES
        ):
            together = self.coder.questions(asked)
            choices = [choose_in_waves(segments, together, limit, min_score, most)]
        else:
            choices = [
                choose_nearest(segments, self.coder.questions(one), limit, min_score, most)
                for one in asked[:, None]
            ]
        found = [each for choice in choices for each in choice.results()]
        outliers, bounds = self._bound_outliers(asked)
        return [
            None if each is None else _together(each, outliers, some, most)
            for each, some in zip(found, bounds, strict=True)
        ]

    def _segment(self, rows: int) -> Segment:
        if self._allocate is None:
            return Segment(self.coder, rows)
        return Segment(self.coder, rows, self._allocate(Segment.bytes_of(self.coder, rows)))

    def _take(self, segment: Segment) -> None:
        with self._taking:
            self._segments += (segment,)

    def _keep_outliers(self, ids: Ids, vectors: NDArray[np.floating[Any]]) -> None:
        if self.usable:
            keys = map(tuple, ids.tolist())
            self.outliers.update(dict(zip(keys, vectors.astype(np.float16), strict=True)))
        elif len(ids):
            # For good: with more vectors, as many outliers would be few.
            self._lacks_outliers = True

    def _bound_outliers(self, probes: Vectors) -> tuple[Ids, Floats]:
        """Return the ids of the outliers, and the bounds of their scores for each probe."""
        if not self.outliers:
            return np.zeros((0, 2), np.uint64), np.zeros((len(probes), 0))
        ids, vectors = self.listed_outliers()
        return ids, self.coder.bounds(probes, vectors.astype(np.float64))

    def _open_segment(self) -> Segment:
        """Return a segment with room for further rows; a full one is put in order first."""
        last = self._segments[-1] if self._segments else None
        if last is not None and last.room:
            return last
        segments = self._segments
        if last is not None and not last.ordered:
            segments = (*segments[:-1], *self._filled([last]))
        new = self._segment(min(SEGMENT, max(_SMALLEST, self.size // 8)))
        self._segments = (*segments, new)
        return new

    def _merge(self) -> None:
        """Replace the segments of which a quarter is removed, and all small ones, by full ones.

        Each segment costs some time in every search, so that many small ones must not remain.
        """
        small = segment_rows(self.size) // 2
        merged: list[Segment] = []
        kept: list[Segment] = []
        for segment in self._segments:
            present = segment.used - segment.removed
            merge = _is_sparse(segment) or (present < small and not segment.room)
            (merged if merge else kept).append(segment)
        # The one with room remains the last.
        self._segments = (*self._filled(merged), *kept)

    def _filled(self, segments: Sequence[Segment]) -> list[Segment]:
        """Return full segments with the rows of these that were not removed."""
        ids, heads, tails = map(
            np.concatenate, zip(*(segment.living() for segment in segments), strict=True)
        )
        filled = []
        for start in range(0, len(ids), SEGMENT):
            rows = slice(start, start + SEGMENT)
            segment = self._segment(len(ids[rows]))
            segment.fill(ids[rows], heads[rows], tails[rows])
            filled.append(segment)
        return filled


def _is_sparse(segment: Segment) -> bool:
    """Return whether a quarter of a segment is removed; of one with room, of its capacity."""
    return segment.removed * 4 > len(segment.alive)


def _together(
    found: tuple[float, Ids, Floats], outliers: Ids, bounds: Floats, most: int
) -> Candidates | None:
    """Return the candidates that were chosen by their codes, and those among the outliers."""
    floor, ids, chosen = found
    near = bounds >= floor
    if len(ids) + int(near.sum()) > most:
        return None
    together = np.concatenate([chosen, bounds[near]])
    order = np.argsort(-together, kind="stable")
    return Candidates(np.concatenate([ids, outliers[near]])[order], together[order], floor)


def memory_of(vectors: int, dimension: int) -> int:
    """Return about how much memory a gallery of that size takes, in bytes."""
    rows = -(-vectors // segment_rows(vectors)) * segment_rows(vectors)
    return rows * (max(dimension, head_bytes(dimension)) + _BYTES_OF_ROW)


def segment_rows(expected: int) -> int:
    """Return the number of rows in each segment of a gallery of that size."""
    return min(SEGMENT, max(_SMALLEST, expected))
