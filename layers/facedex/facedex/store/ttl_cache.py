"""A cache of recently read values."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class TTLCache(Generic[Value]):
    """Values by name, each cached for some seconds; safe for several threads.

    Args:
        seconds: seconds for which a value is cached.
        limit: maximum number of values; beyond it, the oldest is removed.
        clock: returns the time in seconds; by default the wall clock, as the monotonic clock may
            stop while a function is frozen.
    """

    def __init__(
        self, *, seconds: float, limit: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Value]] = OrderedDict()
        self._lock = Lock()

    def find(self, name: str, read: Callable[[], Value | None]) -> Value | None:
        """Return the value of that name, from the cache or read now.

        Args:
            read: reads the value; returns None, which is not cached, if there is none.
        """
        now = self._clock()
        with self._lock:
            since, kept = self._kept.get(name, (now, None))
        # If the clock was set back, a value must not be kept for longer.
        if kept is not None and 0 <= now - since < self._seconds:
            return kept
        self.forget(name)
        value = read()
        if value is not None:
            with self._lock:
                # The time before the read, as the value may have changed during it.
                self._kept[name] = (now, value)
                if len(self._kept) > self._limit:
                    self._kept.popitem(last=False)
        return value

    def forget(self, name: str) -> None:
        """Remove the value of that name, so that it is read at the next call."""
        with self._lock:
            self._kept.pop(name, None)
