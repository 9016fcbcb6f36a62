"""An orderly end of a command that a signal ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_STATUS: Final = 128  # the usual exit status after a signal is higher by its number
_SIGNALS: Final = ("SIGTERM", "SIGHUP")


@contextmanager
def orderly() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit in the block, so that what it started is stopped.

    Without it, such a signal ends a process at once: a service manager's, a time limit's, or that
    of a terminal that is closed. Later signals are ignored until the block's end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread handles signals
        return
    # Windows has no SIGHUP. Under nohup, a closed terminal must not end the command.
    numbers = [
        number
        for name in _SIGNALS
        if (number := getattr(signal, name, None)) is not None
        and signal.getsignal(number) is not signal.SIG_IGN
    ]

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(_STATUS + number)

    before = {each: signal.signal(each, leave) for each in numbers}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
