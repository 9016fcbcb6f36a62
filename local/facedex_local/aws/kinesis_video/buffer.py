"""The fragments of a stream in memory, limited in size and age, and their producer."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from facedex_local.aws.kinesis_video.kinesis_video_errors import (
    ProducerBusy,
    ProducerSuperseded,
    StreamClosed,
)
from facedex_local.aws.kinesis_video.passages import Fragment, State

Clock = Callable[[], float]  # seconds since 1970

# Seconds of silence after which another producer may replace a producer.
SILENCE: Final = 5.0
# The service's fragment numbers have 47 digits and increase. These contain milliseconds and a
# counter.
_NUMBER: Final = "91343852333181432392682{:013d}{:011d}"


class Buffer:
    """The media of one stream.

    Args:
        most_bytes: the maximum size in memory.
        seconds: the maximum age of a fragment.
        clock: returns the current time.

    Attributes:
        clock: as given.
        changed: notified after each change, and held while fragments are read.
        fragments: the fragments in memory, the oldest first.
        removed: number of the fragment that was removed from memory last, or "".
    """

    def __init__(self, *, most_bytes: int, seconds: float, clock: Clock = time.time) -> None:
        self._most_bytes = most_bytes
        self._seconds = seconds
        self.clock = clock
        self.changed = threading.Condition()
        self.fragments: deque[Fragment] = deque()
        self._size = 0
        self._count = 0
        self._latest_ms = 0
        self.removed = ""
        self._closed = False
        self._watchers: set[Callable[[], None]] = set()
        self._producer: object = None
        self._last_received = 0.0  # seconds since 1970

    @property
    def closed(self) -> bool:
        """True if the stream no longer accepts or returns media."""
        return self._closed

    @property
    def size(self) -> int:
        """Size of the media in memory, in bytes."""
        return self._size

    def require_open(self) -> None:
        """Check that the stream has media.

        Raises:
            StreamClosed: if the stream was deleted or the server is stopping.
        """
        if self._closed:
            raise StreamClosed("The stream is deleted.")

    def admit(self, producer: object, *, patience: float = 1.0) -> None:
        """Register a producer, if no other producer is sending.

        Args:
            producer: an object that identifies the producer.
            patience: seconds to wait for another producer that is about to end.

        Raises:
            ProducerBusy: if another producer is sending.
            StreamClosed: if the stream is closed.
        """
        with self.changed:
            self.changed.wait_for(lambda: self._closed or self._is_free(), patience)
            self.require_open()
            if not self._is_free():
                raise ProducerBusy("Another producer is sending media to the stream.")
            self._break_growing()
            self._producer = producer
            self._last_received = self.clock()

    def dismiss(self, producer: object) -> None:
        """Unregister a producer; its unfinished fragment remains incomplete."""
        with self.changed:
            if self._producer is producer:
                self._break_growing()
                self._producer = None
                self._notify()

    def begin(
        self,
        producer: object,
        *,
        header: bytes,
        tags: Mapping[str, str],
        timestamp: int,
        producer_timestamp: float,
    ) -> Fragment:
        """Begin a fragment.

        Raises:
            ProducerSuperseded: if another producer has replaced this one.
            StreamClosed: if the stream is closed.
        """
        with self.changed:
            now = self._record_activity(producer)
            self._count += 1
            # Numbers increase even if the clock is set back.
            self._latest_ms = max(self._latest_ms, int(now * 1000))
            number = _NUMBER.format(self._latest_ms, self._count)
            begun = Fragment(number, now, producer_timestamp, header, dict(tags), timestamp)
            begun.received = now
            self.fragments.append(begun)
            self._account(begun, len(header))
            return begun

    def grow(self, producer: object, fragment: Fragment, piece: bytes, length: float) -> None:
        """Add an element to a fragment's cluster.

        Args:
            producer: the object that identifies the producer.
            fragment: the fragment.
            piece: the element.
            length: seconds from the fragment's beginning to the frame in the element.

        Raises:
            ProducerSuperseded: if another producer has replaced this one.
            StreamClosed: if the stream is closed.
        """
        with self.changed:
            fragment.received = self._record_activity(producer)
            fragment.pieces.append(piece)
            fragment.length = max(fragment.length, length)
            self._account(fragment, len(piece))

    def finish(self, fragment: Fragment) -> None:
        """Mark a fragment as complete."""
        with self.changed:
            if fragment.state is State.GROWING:
                fragment.state = State.COMPLETE
                self._notify()

    def close(self) -> None:
        """Remove all media, and end all reading and sending."""
        with self.changed:
            self._closed = True
            self.fragments.clear()
            self._size = 0
            self._notify()

    def expire(self) -> None:
        """Remove fragments that are too old."""
        with self.changed:
            self._trim()

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Call a function after each change while the block runs.

        Args:
            watcher: must return at once; it is called in the thread that makes the change.
        """
        with self.changed:
            self._watchers.add(watcher)
        try:
            yield
        finally:
            with self.changed:
                self._watchers.discard(watcher)

    def _notify(self) -> None:
        self.changed.notify_all()
        for watcher in self._watchers:
            watcher()

    def _is_free(self) -> bool:
        return self._producer is None or self.clock() - self._last_received > SILENCE

    def _record_activity(self, producer: object) -> float:
        self.require_open()
        if self._producer is not producer:
            raise ProducerSuperseded("Another producer has replaced this one on the stream.")
        self._last_received = self.clock()
        return self._last_received

    def _break_growing(self) -> None:
        for each in self.fragments:
            if each.state is State.GROWING:
                each.state = State.BROKEN

    def _account(self, fragment: Fragment, size: int) -> None:
        fragment.size += size
        self._size += size
        self._trim()
        self._notify()

    def _trim(self) -> None:
        horizon = self.clock() - self._seconds
        while self.fragments:
            oldest = self.fragments[0]
            if oldest.state is State.GROWING:
                return
            if self._size <= self._most_bytes and oldest.received >= horizon:
                return
            self.fragments.popleft()
            self._size -= oldest.size
            self.removed = oldest.number
