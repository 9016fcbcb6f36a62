"""A watchdog over a worker without a lease: its work must end soon, or its process ends.

A worker occupies one of a limited number of processes. If it waits without limit for a database, a
disk or a library, its lease expires, but its processor has no other process to continue in.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Callable
from typing import Final, Self

from facedex.runtime.logs import get_logger

_INTERVAL: Final = 0.5  # seconds between two checks of the lease
_STDERR: Final = 2

_logger: Final = get_logger(__name__)


class Watchdog:
    """A context that ends the process if the block outlives the lease for too long.

    Nothing is lost: a worker without the lease writes nothing. On Lambda, the next invocation
    starts a new process; on one machine, the server does.

    Args:
        what: description of the work, for the log.
        holds_lease: returns whether the worker still has its lease; it must not block.
        grace: seconds without the lease after which the process ends.
    """

    def __init__(self, what: str, holds_lease: Callable[[], bool], grace: float) -> None:
        self._what, self._holds_lease, self._grace = what, holds_lease, grace
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while self._holds_lease():
            if self._ended.wait(_INTERVAL):
                return
        if self._ended.wait(self._grace):
            return
        _logger.critical(
            "The work on %s has lasted for %.0f seconds without a lease; its process ends.",
            self._what,
            self._grace,
        )
        faulthandler.dump_traceback(_STDERR)  # where the threads wait
        # At once: whatever the work waits for could also block an orderly end.
        os._exit(1)
