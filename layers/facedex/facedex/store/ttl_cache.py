"""What the process has read a moment ago, kept so that it need not be read again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class TTLCache(Generic[Value]):
    """Values by name, each kept for some seconds; may be used by several threads.

    Args:
        seconds: for how long a value is kept.
        limit: how many are; beyond it those that were kept first go.
        clock: tells seconds; that on the wall, as the other one may stand still while a function
            is frozen.
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
        """The value of that name: the one that is kept, else the one that is read now.

        Args:
            read: reads it; None, which is not kept, where there is none.
        """
        now = self._clock()
        with self._lock:
            since, kept = self._kept.get(name, (now, None))
        # A clock that was set back must not keep a value for longer.
        if kept is not None and 0 <= now - since < self._seconds:
            return kept
        self.forget(name)
        value = read()
        if value is not None:
            with self._lock:
                # Before it was read, as it may be older than its arrival.
                self._kept[name] = (now, value)
                if len(self._kept) > self._limit:
                    self._kept.popitem(last=False)
        return value

    def forget(self, name: str) -> None:
        """Have the value of that name be read when it is next asked for."""
        with self._lock:
            self._kept.pop(name, None)
