"""Return of freed memory to the operating system.

glibc keeps what a program frees, and the more so the larger it was: each free of a large block
raises the size from which blocks are returned at once. Sixteen threads that each decoded a large
image would keep gigabytes until the process ends.
"""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Final

# Blocks from this size on are returned when they are freed. The pixels of a photo of 640 x 480
# are below it: new memory from the system costs a page fault for each 4 kB.
_RETURNED_AT_ONCE: Final = 4 << 20
_KEPT: Final = 8 << 20  # bytes that may stay at the end of each of glibc's heaps
_HEAPS: Final = 4  # glibc makes up to eight for each processor, and one does not use another's

# mallopt's parameters, malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_PAUSE: Final = 2.0  # seconds between two calls of malloc_trim, which takes milliseconds


def _find() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


_glibc: Final = _find()


def configure() -> None:
    """Make this process return large blocks when they are freed; for glibc only."""
    if _glibc is not None:
        _glibc.mallopt(_M_MMAP_THRESHOLD, _RETURNED_AT_ONCE)
        _glibc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        _glibc.mallopt(_M_ARENA_MAX, _HEAPS)


class Trimmer:
    """Returns freed memory that lies between blocks in use, in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = self._wanted = False

    def trim_soon(self) -> None:
        """Return freed memory in some seconds, when what is being freed now is free."""
        if _glibc is None:
            return
        with self._lock:
            self._wanted = True
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="trimmer", daemon=True).start()

    def _run(self) -> None:
        again = True
        while again:
            time.sleep(_PAUSE)
            with self._lock:
                # Once more after the last wish, whose memory may still be in use.
                again, self._wanted = self._wanted, False
                self._running = again
            if _glibc is not None:
                _glibc.malloc_trim(0)


trimmer: Final = Trimmer()
