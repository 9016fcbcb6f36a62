"""A file that fetches only the parts that a reader needs."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

BLOCK: Final = 64 * 1024  # bytes fetched for a read at a new position
LONGEST_RUN: Final = 4 * 1024 * 1024  # maximum bytes fetched at once for sequential reads
KEPT: Final = 16 * 1024 * 1024  # bytes kept of the most recently read runs


class Source(Protocol):
    """A seekable binary file that contains a film."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Return at most ``size`` bytes from the current position."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position and return it."""
        ...

    def tell(self) -> int:
        """Return the position of the next byte."""
        ...


class RangedFile(io.RawIOBase):
    """A read-only, seekable file over a function that fetches byte ranges, such as S3's GetObject.

    A read at a new position fetches one block. A read that continues at the end of an earlier run
    of bytes fetches twice the length of that run, up to ``LONGEST_RUN``. Reading a header is
    therefore cheap, and reading the complete file takes few requests. If two positions are read in
    turns, as is common for picture and sound, the runs at both grow.

    Attributes:
        requests: number of ranges fetched so far.
        fetched: number of bytes fetched so far.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes], *, kept: int = KEPT) -> None:
        """Create a file.

        Args:
            size: the file's size in bytes.
            fetch: returns the bytes from ``start`` to before ``end``; reads raise its exceptions.
            kept: maximum number of bytes kept in memory.
        """
        self._size = size
        self._fetch = fetch
        self._kept = kept
        self._runs: OrderedDict[int, bytes] = OrderedDict()  # by the position of their first byte
        self._place = 0
        self.requests = 0
        self.fetched = 0

    def readable(self) -> bool:
        """Return True: the file can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: the file can be read from any position."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a position, counted from the start, the current position or the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("A position in a file cannot be negative.")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read bytes of one run into the buffer; return their number, which is 0 at the end."""
        if self._place >= self._size or not len(buffer):
            return 0
        start, run = self._run(self._place)
        part = memoryview(run)[self._place - start :][: len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _run(self, place: int) -> tuple[int, bytes]:
        for start, run in self._runs.items():
            if start <= place < start + len(run):
                self._runs.move_to_end(start)
                return start, run
        start = place // BLOCK * BLOCK
        before = next((run for at, run in self._runs.items() if at + len(run) == start), b"")
        end = min(self._size, start + max(BLOCK, min(2 * len(before), LONGEST_RUN)))
        run = self._fetch(start, end)
        if len(run) != end - start:
            raise EOFError(
                f"Bytes {start} to {end} were requested, but {len(run)} bytes were received."
            )
        self.requests += 1
        self.fetched += len(run)
        self._runs[start] = run
        while len(self._runs) > 1 and sum(map(len, self._runs.values())) > self._kept:
            self._runs.popitem(last=False)
        return start, run
