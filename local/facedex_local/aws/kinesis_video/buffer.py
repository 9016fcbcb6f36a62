"""The fragments of a stream in memory, limited in size and age, for any number of readers.

A fragment can be read while it is still growing. Readers receive references to its pieces, not
copies, and a slow reader does not delay the producer. A reader misses fragments that are removed
from memory before it reads them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from facedex_local.aws.kinesis_video.kinesis_video_errors import (
    FragmentNotFound,
    ProducerBusy,
    ProducerSuperseded,
    StreamClosed,
)
from facedex_local.aws.kinesis_video.passages import Fragment, Passage, Selector, Start, State

Clock = Callable[[], float]  # seconds since 1970

# Seconds of silence after which another producer may replace a producer.
SILENCE: Final = 5.0
# Maximum age in seconds of a live stream's newest fragment: the maximum length of a fragment.
_LIVE: Final = 10.0
# Bytes that a reader receives in one call.
_PASSAGE: Final = 256 * 1024
# The service's fragment numbers have 47 digits and increase. These contain milliseconds and a
# counter.
_NUMBER: Final = "91343852333181432392682{:013d}{:011d}"


class Buffer:
    """The media of one stream.

    Args:
        most_bytes: the maximum size in memory.
        seconds: the maximum age of a fragment.
        clock: returns the current time.
    """

    def __init__(self, *, most_bytes: int, seconds: float, clock: Clock = time.time) -> None:
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._fragments: deque[Fragment] = deque()
        self._size = 0
        self._count = 0
        self._latest_ms = 0
        self._removed = ""  # number of the fragment that was removed from memory last
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

    def admit(self, producer: object, *, patience: float = 1.0) -> None:
        """Register a producer, if no other producer is sending.

        Args:
            producer: an object that identifies the producer.
            patience: seconds to wait for another producer that is about to end.

        Raises:
            ProducerBusy: if another producer is sending.
            StreamClosed: if the stream is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_free(), patience)
            self._check_open()
            if not self._is_free():
                raise ProducerBusy("Another producer is sending media to the stream.")
            self._break_growing()
            self._producer = producer
            self._last_received = self._clock()

    def dismiss(self, producer: object) -> None:
        """Unregister a producer; its unfinished fragment remains incomplete."""
        with self._changed:
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
        with self._changed:
            now = self._record_activity(producer)
            self._count += 1
            # Numbers increase even if the clock is set back.
            self._latest_ms = max(self._latest_ms, int(now * 1000))
            number = _NUMBER.format(self._latest_ms, self._count)
            begun = Fragment(number, now, producer_timestamp, header, dict(tags), timestamp)
            begun.received = now
            self._fragments.append(begun)
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
        with self._changed:
            fragment.received = self._record_activity(producer)
            fragment.pieces.append(piece)
            fragment.length = max(fragment.length, length)
            self._account(fragment, len(piece))

    def finish(self, fragment: Fragment) -> None:
        """Mark a fragment as complete."""
        with self._changed:
            if fragment.state is State.GROWING:
                fragment.state = State.COMPLETE
                self._notify()

    def close(self) -> None:
        """Remove all media, and end all reading and sending."""
        with self._changed:
            self._closed = True
            self._fragments.clear()
            self._size = 0
            self._notify()

    def expire(self) -> None:
        """Remove fragments that are too old."""
        with self._changed:
            self._trim()

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Call a function after each change while the block runs.

        Args:
            watcher: must return at once; it is called in the thread that makes the change.
        """
        with self._changed:
            self._watchers.add(watcher)
        try:
            yield
        finally:
            with self._changed:
                self._watchers.discard(watcher)

    def read(self, start: Start) -> Reader:
        """Return a reader that begins at a start selector's position.

        Raises:
            FragmentNotFound: if the fragment to start from is not in memory.
        """
        with self._changed:
            self._trim()
            return Reader(self, self._find_start(start), start)

    def _find_start(self, start: Start) -> str:
        """Return the number after which reading starts, or "" to read all fragments."""
        match start.selector:
            case Selector.NOW:
                return self._before_live()
            case Selector.FRAGMENT_NUMBER | Selector.CONTINUATION_TOKEN:
                held = {each.number for each in self._fragments}
                if start.number not in held | {self._removed}:
                    raise FragmentNotFound(f"Fragment {start.number} is not in the stream.")
                return start.number
        return ""

    def _before_live(self) -> str:
        """Return the number after which a live reader starts.

        Its first fragment is the newest one, or the next one if the stream is idle.
        """
        numbers = [each.number for each in self._fragments]
        if not numbers:
            return ""
        newest = self._fragments[-1]
        live = newest.state is State.GROWING or self._clock() - newest.received < _LIVE
        return (["", *numbers])[-2 if live else -1]

    def _notify(self) -> None:
        self._changed.notify_all()
        for watcher in self._watchers:
            watcher()

    def _is_free(self) -> bool:
        return self._producer is None or self._clock() - self._last_received > SILENCE

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosed("The stream is deleted.")

    def _record_activity(self, producer: object) -> float:
        self._check_open()
        if self._producer is not producer:
            raise ProducerSuperseded("Another producer has replaced this one on the stream.")
        self._last_received = self._clock()
        return self._last_received

    def _break_growing(self) -> None:
        for each in self._fragments:
            if each.state is State.GROWING:
                each.state = State.BROKEN

    def _account(self, fragment: Fragment, size: int) -> None:
        fragment.size += size
        self._size += size
        self._trim()
        self._notify()

    def _trim(self) -> None:
        horizon = self._clock() - self._seconds
        while self._fragments:
            oldest = self._fragments[0]
            if oldest.state is State.GROWING:
                return
            if self._size <= self._most_bytes and oldest.received >= horizon:
                return
            self._fragments.popleft()
            self._size -= oldest.size
            self._removed = oldest.number


class Reader:
    """A reader with a position in a buffer, for use by one thread."""

    def __init__(self, buffer: Buffer, after: str, start: Start) -> None:
        self._buffer = buffer
        self._after = after
        self._start = start
        self._fragment: Fragment | None = None
        self._taken = 0

    def read(self, seconds: float) -> Passage | None:
        """Return the next passage, or None if there is none within ``seconds``.

        Raises:
            StreamClosed: if the stream was deleted or the server is stopping.
        """
        with self._buffer._changed:
            end = time.monotonic() + seconds
            while True:
                self._buffer._check_open()
                passage = self._next_passage()
                remaining = end - time.monotonic()
                if passage or remaining <= 0:
                    return passage
                self._buffer._changed.wait(remaining)

    def _next_passage(self) -> Passage | None:
        fragment = self._fragment or self._next_fragment()
        if fragment is None:
            return None
        begins = self._fragment is None
        pieces: list[bytes] = []
        size = 0
        while self._taken < len(fragment.pieces) and size < _PASSAGE:
            pieces.append(fragment.pieces[self._taken])
            size += len(pieces[-1])
            self._taken += 1
        over = self._taken == len(fragment.pieces) and fragment.state is not State.GROWING
        self._fragment = None if over else fragment
        if over:
            self._after, self._taken = fragment.number, 0
        ends = over and fragment.state is State.COMPLETE
        if not (begins or pieces or ends):
            return self._next_passage() if over else None
        behind = self._millis_behind(fragment) if ends else 0
        return Passage(fragment, tuple(pieces), begins, ends, behind)

    def _next_fragment(self) -> Fragment | None:
        return next((each for each in self._buffer._fragments if self._wants(each)), None)

    def _wants(self, fragment: Fragment) -> bool:
        if fragment.number <= self._after:
            return False
        match self._start.selector if not self._after else None:
            case Selector.SERVER_TIMESTAMP:
                return fragment.received >= self._start.timestamp
            case Selector.PRODUCER_TIMESTAMP:
                ends = fragment.producer_timestamp + fragment.length
                return ends >= self._start.timestamp
        return True

    def _millis_behind(self, fragment: Fragment) -> int:
        held = self._buffer._fragments
        newest = held[-1] if held else fragment
        return max(0, round((newest.server_timestamp - fragment.server_timestamp) * 1000))
