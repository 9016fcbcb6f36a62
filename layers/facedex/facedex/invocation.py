"""The current invocation's remaining time, and the number of concurrent invocations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from threading import Lock
from time import monotonic
from typing import Any, Final


class _Counter:
    def __init__(self) -> None:
        self._lock = Lock()
        self.count = 0

    def add(self, number: int) -> None:
        with self._lock:
            self.count += number


_under_way: Final = _Counter()
_end: Final[ContextVar[float]] = ContextVar("end of the invocation", default=inf)
_function: Final[ContextVar[str]] = ContextVar("function of the invocation", default="")


@contextmanager
def under(context: Any) -> Iterator[None]:
    """Register an invocation while the block runs.

    Its deadline applies to the current thread; the invocation is counted for all threads.

    Args:
        context: Lambda's context object; without ``get_remaining_time_in_millis``, the invocation
            has no deadline.
    """
    read_millis = getattr(context, "get_remaining_time_in_millis", None)
    end = _end.set(monotonic() + read_millis() / 1000 if read_millis else inf)
    function = _function.set(getattr(context, "function_name", ""))
    _under_way.add(1)
    try:
        yield
    finally:
        _under_way.add(-1)
        _function.reset(function)
        _end.reset(end)


def function() -> str:
    """Name of the Lambda function that is invoked; empty outside of an invocation."""
    return _function.get()


def remaining() -> float:
    """Return the seconds until Lambda ends the invocation; infinity outside an invocation."""
    return _end.get() - monotonic()


def under_way() -> int:
    """Return the number of concurrent invocations in this process; on Lambda always one."""
    return _under_way.count
