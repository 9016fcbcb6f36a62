"""Reading ahead: a thread reads a source's events, so that a stalled source blocks nothing else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from facedex.media.matroska.live import Coded, Event

_MOST_BYTES: Final = 8 << 20  # maximum size of the queue
_MOST_EVENTS: Final = 4096

# Reads events; its argument returns whether to stop.
ReadEvents = Callable[[Callable[[], bool]], Iterator[Event]]


class ReadAhead:
    """Reads events into a bounded queue, for one consumer, until ``close``.

    Args:
        read_events: reads the events; it may block for seconds, and an exception ends the queue.
    """

    def __init__(self, read_events: ReadEvents) -> None:
        self._read_events = read_events
        self._changed = threading.Condition()
        self._ready: deque[Event] = deque()
        self._size = 0
        self._closed = self._source_ended = False
        self._error: Exception | None = None
        threading.Thread(target=self._read, name="read ahead", daemon=True).start()

    @property
    def ended(self) -> bool:
        """True if the source has ended and the queue is empty."""
        with self._changed:
            return self._source_ended and not self._ready

    def next_event(self, seconds: float) -> Event | None:
        """Return the next event, or None if none arrives within ``seconds``.

        Raises:
            Exception: if the source ended with an exception, after all events before it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._source_ended, seconds)
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
        """Stop reading; the thread ends at the source's next event."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def _read(self) -> None:
        error: Exception | None = None
        try:
            for event in self._read_events(lambda: self._closed):
                if not self._enqueue(event):
                    break
        except Exception as raised:
            error = raised
        with self._changed:
            self._error, self._source_ended = error, True
            self._changed.notify_all()

    def _enqueue(self, event: Event) -> bool:
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
