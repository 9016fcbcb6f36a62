"""A source's events, read by a thread of their own: so nothing waits for a stream that stands."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from facedex.media.matroska.live import Coded, Event

_MOST_BYTES: Final = 8 << 20  # that are read ahead
_MOST_EVENTS: Final = 4096

Events = Callable[[Callable[[], bool]], Iterator[Event]]  # given: whether nobody wants more


class Feed:
    """Reads ahead of its one reader, within bounds, from now until ``close``.

    Args:
        events: makes the events; it may block for seconds, and what it raises, ``take`` raises.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._changed = threading.Condition()
        self._ready: deque[Event] = deque()
        self._size = 0
        self._closed = self._over = False
        self._error: Exception | None = None
        threading.Thread(target=self._read, name="feed", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether all has been taken, and no more comes."""
        with self._changed:
            return self._over and not self._ready

    def take(self, seconds: float) -> Event | None:
        """The next event, or None if none comes for so long.

        Raises:
            Exception: what ended the source, once everything before it has been taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._over, seconds)
            if self._ready:
                event = self._ready.popleft()
                self._size -= _size(event)
                self._changed.notify_all()
                return event
            if self._error:
                error, self._error = self._error, None
                raise error
            return None

    def close(self) -> None:
        """Have no more read; the thread ends when its source next says something."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def _read(self) -> None:
        error: Exception | None = None
        try:
            for event in self._events(lambda: self._closed):
                if not self._put(event):
                    break
        except Exception as raised:
            error = raised
        with self._changed:
            self._error, self._over = error, True
            self._changed.notify_all()

    def _put(self, event: Event) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closed or (self._size < _MOST_BYTES and len(self._ready) < _MOST_EVENTS)
                )
            )
            if self._closed:
                return False
            self._ready.append(event)
            self._size += _size(event)
            self._changed.notify_all()
            return True


def _size(event: Event) -> int:
    return len(event.data) if isinstance(event, Coded) else 0
