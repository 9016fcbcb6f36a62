"""The codes of a gallery that is being loaded, by several threads at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.coding import Coder
from facedex.gallery.scanning import Ids, Segment

# Vectors that are encoded together: their numbers stay in the cache of the processor.
_ENCODED: Final = 1024


class Loader:
    """The part of a gallery that one thread loads.

    Args:
        rows: number of rows of a segment.
        coder: the code of the gallery.
        segment: returns a new segment with this number of rows.
        take: receives each complete segment.
        take_outliers: receives the ids and vectors without a code.
    """

    def __init__(
        self,
        rows: int,
        coder: Coder,
        segment: Callable[[int], Segment],
        take: Callable[[Segment], None],
        take_outliers: Callable[[Ids, NDArray[np.floating[Any]]], None],
    ) -> None:
        self._rows, self._coder, self._segment = rows, coder, segment
        self._take, self._take_outliers = take, take_outliers
        self._parts: list[tuple[NDArray[Any], ...]] = []  # ids, heads and tails
        self._size = 0

    def add(self, ids: Ids, vectors: NDArray[np.floating[Any]]) -> None:
        """Add (n, d) vectors, in single or half precision."""
        for start in range(0, len(ids), _ENCODED):
            some = slice(start, start + _ENCODED)
            codes = self._coder.encode(vectors[some])
            kept = ~codes.outliers
            if kept.all():
                self._parts.append((ids[some], codes.heads, codes.tails))
            else:
                self._take_outliers(ids[some][~kept], vectors[some][~kept])
                self._parts.append((ids[some][kept], codes.heads[kept], codes.tails[kept]))
            self._size += len(self._parts[-1][0])
        if self._size >= self._rows:
            self._cut()

    def finish(self) -> None:
        """Add the last segments, which have fewer rows."""
        if self._size:
            self._cut(all_rows=True)

    def _cut(self, *, all_rows: bool = False) -> None:
        ids, *codes = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        end = len(ids) if all_rows else len(ids) // self._rows * self._rows
        for start in range(0, end, self._rows):
            some = slice(start, min(start + self._rows, end))
            segment = self._segment(len(ids[some]))
            segment.fill(ids[some], *(each[some] for each in codes))
            self._take(segment)
        # Copies, so that the codes of the segments can leave memory.
        self._parts = [(ids[end:].copy(), *(each[end:].copy() for each in codes))]
        self._size = len(ids) - end
