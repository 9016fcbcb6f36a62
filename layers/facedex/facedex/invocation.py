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


@contextmanager
def under(context: Any) -> Iterator[None]:
    """Register an invocation while the block runs.

    Its deadline applies to the current thread; the invocation is counted for all threads.

    Args:
        context: Lambda's context object; without ``get_remaining_time_in_millis``, the invocation
            has no deadline.
    """
    remaining_milliseconds = getattr(context, "get_remaining_time_in_millis", None)
    end = monotonic() + remaining_milliseconds() / 1000 if remaining_milliseconds else inf
    token = _end.set(end)
    _under_way.add(1)
    try:
        yield
    finally:
        _under_way.add(-1)
        _end.reset(token)


def remaining() -> float:
    """Return the seconds until Lambda ends the invocation; infinity outside an invocation."""
    return _end.get() - monotonic()


def under_way() -> int:
    """Return the number of concurrent invocations in this process; on Lambda always one."""
    return _under_way.count
