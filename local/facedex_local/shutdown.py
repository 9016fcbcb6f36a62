"""Shutdown of a process: every wait has a time limit, and a thread that hangs is abandoned."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

# Seconds in which a thread must end. A complete shutdown takes a few times as long at worst.
PATIENCE: Final = 5.0

_logger: Final = logging.getLogger("facedex")


def join(*threads: threading.Thread, seconds: float = PATIENCE) -> bool:
    """Wait until threads have ended, and abandon those that are alive after the time limit.

    Args:
        threads: daemon threads, so that the process can end without them.
        seconds: the time limit for all threads together.

    Returns:
        True if all threads have ended.
    """
    end = time.monotonic() + seconds
    for thread in threads:
        if thread.is_alive():
            thread.join(max(0.0, end - time.monotonic()))
    return not _report([thread for thread in threads if thread.is_alive()])


def run(name: str, act: Callable[[], object], *, seconds: float = PATIENCE) -> bool:
    """Call a function in a thread, and abandon the thread after the time limit.

    Args:
        name: the thread's name, for the log.
        act: the function to call.
        seconds: the time limit.

    Returns:
        True if the function has returned.
    """
    thread = threading.Thread(target=act, name=name, daemon=True)
    thread.start()
    return join(thread, seconds=seconds)


def leave(status: int) -> NoReturn:
    """End this process now: a normal exit would wait for threads that may never end."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # the reader of the pipe may have closed it
    os._exit(status)


def _report(alive: Sequence[threading.Thread]) -> bool:
    """Log the names of abandoned threads, and return whether there are any."""
    if alive:
        names = ", ".join(thread.name for thread in alive)
        _logger.warning("The server stops without waiting any longer for: %s.", names)
    return bool(alive)
