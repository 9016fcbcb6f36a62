"""Handling of Ctrl-C in commands that finish their current work first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130  # the usual exit status after Ctrl-C


@contextmanager
def interruption() -> Iterator[list[int]]:
    """Record the first Ctrl-C so that current work can finish; a second one interrupts at once.

    Yields:
        A list that is empty until the first Ctrl-C.
    """
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, catch)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)
