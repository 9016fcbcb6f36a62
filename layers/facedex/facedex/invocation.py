"""The invocation under way: how long it still has, so that nothing waits beyond its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import Any, Final

_end: Final[ContextVar[float]] = ContextVar("end of the invocation", default=inf)


@contextmanager
def under(context: Any) -> Iterator[None]:
    """Know of an invocation while the block runs, in this thread.

    Args:
        context: Lambda's context object; what cannot say how much time is left has all of it.
    """
    tell = getattr(context, "get_remaining_time_in_millis", None)
    token = _end.set(monotonic() + tell() / 1000 if tell else inf)
    try:
        yield
    finally:
        _end.reset(token)


def remaining() -> float:
    """Seconds until Lambda ends the invocation; infinite outside of one."""
    return _end.get() - monotonic()
