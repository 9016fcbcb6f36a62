"""Signals that end a command: Ctrl-C, SIGTERM and a closed terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click
import psycopg

_ENDINGS: Final = tuple(
    number
    for name in ("SIGTERM", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None  # Windows has no SIGHUP
)
# A closed terminal sends it twice within a millisecond: the shell does, and then the system.
_HANGUP: Final = getattr(signal, "SIGHUP", None)


class Terminated(KeyboardInterrupt):
    """SIGTERM or a closed terminal ends the command, in the same way as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_status(number: int) -> int:
    """Return the usual exit status after a signal, which is 130 after Ctrl-C."""
    return 128 + number


def signal_in(error: BaseException | None) -> int | None:
    """Return the signal that led to an error, or None if none did.

    An interrupted statement can leave a connection on which the end of the command then fails.
    """
    while error is not None:
        if isinstance(error, Terminated):
            return error.number
        if isinstance(error, KeyboardInterrupt):
            return signal.SIGINT
        error = error.__context__
    return None


def sentence_of(error: BaseException) -> str | None:
    """Return what to print of an error that followed a signal, or None if it says nothing new.

    The end of a command may fail by itself. An error of psycopg, though, is most often that of the
    connection whose statement the signal interrupted.
    """
    if not isinstance(error, click.ClickException):
        return None
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        if isinstance(cause, psycopg.Error):
            return None
        cause = cause.__context__
    return f"Error: {error.format_message()}"


def end_in_order() -> None:
    """Let SIGTERM and a closed terminal raise :class:`Terminated` in the main thread.

    By default they end the process at once, and leave behind what a command removes at its end: a
    Postgres that it has started, an incomplete backup, an uploaded film. A second SIGTERM does so.
    """
    for number in _ENDINGS:
        # Under nohup, a closed terminal must not end the command.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


@contextmanager
def interruption() -> Iterator[list[int]]:
    """Record the first signal so that current work can finish; a second one interrupts at once.

    A terminal is closed only once, however often it sends its signal.

    Yields:
        A list that is empty until the first signal, and then has its number.
    """
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in endings:
            signal.signal(each, signal.SIG_IGN if each == number == _HANGUP else _terminate)

    endings = [each for each in _ENDINGS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, catch) for each in (signal.SIGINT, *endings)}
    try:
        yield caught
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _terminate(number: int, _frame: FrameType | None) -> None:
    for each in _ENDINGS:
        signal.signal(each, signal.SIG_IGN if each == _HANGUP else signal.SIG_DFL)
    raise Terminated(number)
