"""The scan of codes: segments of a fixed size, which threads share.

FAISS computes the inner products of a probe with the bytes of a segment, at the speed of the
memory. It is imported on first use. Functions on Lambda do without it: there, products of matrices
name the candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.gallery.blocks import Block, Damaged
from facedex.gallery.coding import Coder, Codes
from facedex.gallery.questions import OFFSET

SEGMENT: Final = 65_536  # rows
_WRAP: Final = 2**64
# Ids have 16 bytes, as two numbers.
Ids = NDArray[np.uint64]  # (n, 2)
# The nearest codes of each probe in one segment: products (p, k) and rows (p, k).
Nearest = tuple[NDArray[np.float32], NDArray[np.int64]]


@cache
def available() -> bool:
    """Return whether FAISS is installed, and exact on this processor."""
    return find_spec("faiss") is not None and _is_exact()


@cache
def _is_exact() -> bool:
    """Return whether FAISS computes the largest products of bytes exactly."""
    import faiss

    heads = np.array([[127, -128] * 64, [127] * 128, [-128] * 128], np.float32)
    probes = np.array([[127] * 128, [-127] * 128, [127, -127] * 64], np.float32)
    index = faiss.IndexScalarQuantizer(
        128, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    index.add(heads)
    products, _ = index.search(probes, len(heads))
    return bool((products == -np.sort(-(probes @ heads.T), axis=1)).all())


class Segment:
    """Codes in a block of memory that never moves.

    One thread of one process may write. Others may scan meanwhile: a row that is being written may
    then have any score.

    Args:
        coder: the code of the gallery.
        rows: capacity.
        block: its memory, of :meth:`bytes_of`; private memory if there is none.

    Attributes:
        ids: (rows, 2) ids.
        tails: (rows, t) uint8.
        alive: (rows,) bool; False for rows that were removed or never used.
        used: number of rows that were ever used.
        removed: number of rows that were removed.
        total: a sum of the used rows, by which damage is found.
    """

    def __init__(self, coder: Coder, rows: int, block: Block | None = None) -> None:
        self.block = block or Block.private(self.bytes_of(coder, rows))
        self._widths = _widths(coder)
        ids, self._heads, self.tails, alive = _parts(self.block.data, self._widths)
        self.ids: Ids = ids.view(np.uint64)
        self.alive: NDArray[np.bool_] = alive.view(np.bool_)[:, 0]
        self._index: Any = _index(self._heads) if available() else None
        self._empty = coder.removed()
        self.used = self.removed = self.total = 0
        # The rows by the first numbers of their ids; where rows are added one by one, by their ids.
        self._order: NDArray[np.uint32] | None = None
        self._rows_by_id: dict[tuple[int, int], int] = {}

    @classmethod
    def bytes_of(cls, coder: Coder, rows: int) -> int:
        """Return the memory of a segment, in bytes."""
        return rows * sum(_widths(coder))

    @classmethod
    def shared(cls, coder: Coder, rows: int, block: Block, used: int, removed: int) -> Segment:
        """Return a segment that another process writes."""
        segment = cls(coder, rows, block)
        segment.removed, segment.used = removed, used
        if segment._index is not None:
            segment._index.ntotal = used
        return segment

    @property
    def heads(self) -> NDArray[np.uint8]:
        """The heads of the used rows, (n, h) uint8."""
        self.block.require_whole()
        return self._heads[: self.used]

    @property
    def room(self) -> int:
        """The number of rows that were never used."""
        return len(self.alive) - self.used

    @property
    def nbytes(self) -> int:
        """The memory of the segment, in bytes."""
        return len(self.block.data)

    def sum_of(self, rows: slice | list[int]) -> int:
        """Return the sum of rows, which changes with each bit."""
        return _sum([self.ids, self._heads, self.tails, self.alive[:, None]], rows)

    def require_undamaged(self) -> None:
        """Check the memory of a file that this process writes.

        Raises:
            Damaged: if another program has changed it.
        """
        if not self.block.path:
            return
        written = _parts(self.block.content(), self._widths)
        if _sum(written, slice(0, self.used)) != self.total:
            raise Damaged("A file of a gallery was changed by another program.")

    @property
    def ordered(self) -> bool:
        """Whether the segment was filled at once, which takes less memory for finding rows."""
        return self._order is not None

    def append(self, ids: Ids, codes: Codes) -> None:
        """Add rows, at most :attr:`room`."""
        rows = range(self.used, self.used + len(ids))
        self._rows_by_id.update(zip(map(tuple, ids.tolist()), rows, strict=True))
        self._write(ids, codes.heads, codes.tails)

    def fill(self, ids: Ids, heads: NDArray[np.uint8], tails: NDArray[np.uint8]) -> None:
        """Set the rows of an empty segment."""
        self._order = np.argsort(ids[:, 0]).astype(np.uint32)
        self._write(ids, heads, tails)

    def _write(self, ids: Ids, heads: NDArray[np.uint8], tails: NDArray[np.uint8]) -> None:
        rows = slice(self.used, self.used + len(ids))
        self._heads[rows], self.tails[rows], self.ids[rows] = heads, tails, ids
        self.alive[rows] = True
        self.total = (self.total + self.sum_of(rows)) % _WRAP
        # Last, so that a scan meets only rows that are complete.
        self.used = rows.stop
        if self._index is not None:
            self._index.ntotal = rows.stop

    def remove(self, ids: Ids) -> int:
        """Remove the rows with these ids, and return how many there were."""
        rows = [row for row in self._find(ids) if self.alive[row]]
        before = self.sum_of(rows)
        for row in rows:
            self._heads[row] = self._empty
            self.tails[row] = OFFSET
            self.alive[row] = False
        self.total = (self.total - before + self.sum_of(rows)) % _WRAP
        self.removed += len(rows)
        return len(rows)

    def living(self) -> tuple[Ids, NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the ids, heads and tails of the rows that were not removed."""
        rows = np.flatnonzero(self.alive[: self.used])
        return self.ids[rows], self._heads[rows], self.tails[rows]

    def nearest(self, heads: NDArray[np.float32], count: int) -> Nearest:
        """Return the products with the ``count`` best codes for each of (p, h) probes, in order."""
        self.block.require_whole()
        _use_one_thread()
        found: Nearest = self._index.search(heads, min(count, max(1, self.used)))
        return found

    def _find(self, ids: Ids) -> Iterable[int]:
        if self._order is None:
            found = (self._rows_by_id.get((one, two)) for one, two in ids.tolist())
            return [row for row in found if row is not None]
        present = self.ids[: self.used, 0]
        first = np.searchsorted(present, ids[:, 0], "left", self._order)
        end = np.searchsorted(present, ids[:, 0], "right", self._order)
        return [
            row
            for wanted, start, stop in zip(ids, first.tolist(), end.tolist(), strict=True)
            for row in self._order[start:stop].tolist()
            if self.ids[row, 1] == wanted[1]
        ]


def _sum(arrays: Sequence[NDArray[Any]], rows: slice | list[int]) -> int:
    """Return the sum of some rows of ids, heads, tails and marks."""
    total = 0
    for number, array in enumerate(arrays):
        some = np.ascontiguousarray(array[rows])
        width = some.itemsize * some.shape[1]
        wide = some.view(np.uint64 if width % 8 == 0 else np.uint8)
        columns = np.add.reduce(wide, axis=0, dtype=np.uint64)
        weights = np.arange(1 + 1000 * number, 1 + 1000 * number + len(columns), dtype=np.uint64)
        total += int(np.add.reduce(columns * (2 * weights + np.uint64(1))))
    return total % _WRAP


def _index(heads: NDArray[np.uint8]) -> Any:
    """Return FAISS's index of codes in memory that is not its own, with no rows yet."""
    import faiss

    index = faiss.IndexScalarQuantizer(
        heads.shape[1], faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    codes: Any = index.codes
    index.codes = codes.create_view(faiss.swig_ptr(heads.ravel()), heads.size, codes.owner)
    return index


def _widths(coder: Coder) -> tuple[int, ...]:
    """Return the bytes that the id, the head, the tail and the mark of a row have."""
    return 16, coder.head, coder.tail, 1


def _parts(memory: Any, widths: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Return the ids, heads, tails and marks in a segment's memory, each (rows, width) uint8."""
    data = np.frombuffer(memory, np.uint8)
    rows = len(data) // sum(widths)
    parts = np.split(data, rows * np.cumsum(widths)[:-1])
    return [part.reshape(rows, width) for part, width in zip(parts, widths, strict=True)]


def _use_one_thread() -> None:
    # FAISS would start threads of its own for the probes of one call.
    faiss: Any = __import__("faiss")
    faiss.omp_set_num_threads(1)
