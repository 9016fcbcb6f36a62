"""Return of freed memory to the operating system.

glibc keeps what a program frees, and the more so the larger it was: each free of a large block
raises the size from which blocks are returned at once. ONNX Runtime keeps all that its largest
runs have used. A process that once worked on large images would keep gigabytes until it ends.
"""

from __future__ import annotations

import atexit
import ctypes
import threading
from typing import Final, Protocol
from weakref import WeakSet

# Blocks from this size on are returned when they are freed. The pixels of a photo of 640 x 480
# are below it: new memory from the system costs a page fault for each 4 kB.
_RETURNED_AT_ONCE: Final = 4 << 20
_KEPT: Final = 8 << 20  # bytes that may stay at the end of each of glibc's heaps
_HEAPS: Final = 4  # glibc makes up to eight for each processor, and one does not use another's

# mallopt's parameters, malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

# Seconds without large work after which memory is returned. Under continuous work it would have to
# be fetched again at once, which costs a third of the time of a search for faces.
_QUIET: Final = 5.0


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


class Keeper(Protocol):
    """Something that keeps memory after large work."""

    def release(self) -> None:
        """Release the memory that is not in use."""


class Trimmer:
    """Returns memory some seconds after the last large work of a process.

    Args:
        quiet: these seconds.
    """

    def __init__(self, quiet: float = _QUIET) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()
        self._keepers: WeakSet[Keeper] = WeakSet()
        self._thread: threading.Thread | None = None
        self._worked = False
        self._stop = threading.Event()

    def trim_later(self, keeper: Keeper | None = None) -> None:
        """Return memory when the process has no more large work; call this after such work.

        Args:
            keeper: is asked to release its memory, too, if it still exists then.
        """
        with self._lock:
            self._worked = True
            if keeper is not None:
                self._keepers.add(keeper)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="trimmer", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread; wait until it has released what it is releasing."""
        self._stop.set()
        if (thread := self._thread) is not None:
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._quiet):
            with self._lock:
                worked, self._worked = self._worked, False
                if worked:
                    continue
                keepers = list(self._keepers)
                self._keepers.clear()
                self._thread = None
            for keeper in keepers:
                keeper.release()
            if _glibc is not None:
                _glibc.malloc_trim(0)
            return


trimmer: Final = Trimmer()
# ONNX Runtime must not be unloaded while the thread uses it.
atexit.register(trimmer.close)
