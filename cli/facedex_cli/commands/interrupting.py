"""Ctrl-C in a command that finishes what is under way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130  # the exit status, as shells have it for Ctrl-C


@contextmanager
def interruption() -> Iterator[list[int]]:
    """Note the first Ctrl-C in a list, so that work under way can end; the second one is one."""
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, catch)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)
