"""The end of a run: every wait is bounded, and a thread that hangs is abandoned."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

# Seconds that a thread has to end. A stop as a whole takes a few times as long at worst.
PATIENCE: Final = 5.0

_logger: Final = logging.getLogger("facedex")


def join(*threads: threading.Thread, seconds: float = PATIENCE) -> bool:
    """Wait until threads have ended, and abandon those that are still alive after some seconds.

    Args:
        threads: daemon threads, so that the process can end without them.
        seconds: for all of them together.

    Returns:
        Whether all have ended.
    """
    end = time.monotonic() + seconds
    for thread in threads:
        if thread.is_alive():
            thread.join(max(0.0, end - time.monotonic()))
    return not _report([thread for thread in threads if thread.is_alive()])


def run(name: str, act: Callable[[], object], *, seconds: float = PATIENCE) -> bool:
    """Call a function, and go on without it if it does not return within some seconds.

    Returns:
        Whether it has returned.
    """
    thread = threading.Thread(target=act, name=name, daemon=True)
    thread.start()
    return join(thread, seconds=seconds)


def leave(status: int) -> NoReturn:
    """End this process now: Python itself would wait for threads that may never end."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # the reader of a pipe may have gone
    os._exit(status)


def _report(alive: Sequence[threading.Thread]) -> bool:
    """Log which threads are abandoned; whether there are any."""
    if alive:
        names = ", ".join(thread.name for thread in alive)
        _logger.warning("The server stops without waiting longer for: %s.", names)
    return bool(alive)
