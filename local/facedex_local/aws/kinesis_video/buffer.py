"""The fragments of a stream in memory, bounded by bytes and by age, for any number of readers.

A fragment can be read while it is still growing. Readers take references to its pieces, so a slow
one neither holds up the producer nor copies anything; what it has not read when its turn in memory
is over, it misses.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from facedex_local.aws.kinesis_video.errors import (
    FragmentNotFound,
    ProducerBusy,
    ProducerSuperseded,
    StreamClosed,
)
from facedex_local.aws.kinesis_video.passages import Fragment, Passage, Selector, Start, State

Clock = Callable[[], float]  # seconds since 1970

# A producer that was silent for so long gives way to another; seconds.
SILENCE: Final = 5.0
# So young is the newest fragment of a stream that is live; seconds, the longest a fragment lasts.
_LIVE: Final = 10.0
# Bytes that are handed to a reader at once.
_PASSAGE: Final = 256 * 1024
# Numbers of the service have 47 digits and rise; these hold milliseconds and a count.
_NUMBER: Final = "91343852333181432392682{:013d}{:011d}"


class Buffer:
    """The media of one stream.

    Args:
        most_bytes: bytes that are held.
        seconds: for how long.
        clock: tells the time.
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
        self._dropped = ""  # number of the last fragment that is no longer held
        self._closed = False
        self._watchers: set[Callable[[], None]] = set()
        self._producer: object = None
        self._heard = 0.0

    @property
    def closed(self) -> bool:
        """Whether it takes and gives no more."""
        return self._closed

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return self._size

    def admit(self, producer: object, *, patience: float = 1.0) -> None:
        """Let a producer send, if no other is.

        Args:
            producer: any object of its own.
            patience: seconds that are given to one that is just leaving.

        Raises:
            ProducerBusy: another is sending.
            StreamClosed: it takes no more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_free(), patience)
            self._check_open()
            if not self._is_free():
                raise ProducerBusy("Another producer is sending media to the stream.")
            self._drop_growing()
            self._producer = producer
            self._heard = self._clock()

    def dismiss(self, producer: object) -> None:
        """Say that a producer has left; what it has not finished stays broken off."""
        with self._changed:
            if self._producer is producer:
                self._drop_growing()
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
            ProducerSuperseded: another producer has taken over.
            StreamClosed: it takes no more.
        """
        with self._changed:
            now = self._hear(producer)
            self._count += 1
            # They rise also where the clock is put back.
            self._latest_ms = max(self._latest_ms, int(now * 1000))
            number = _NUMBER.format(self._latest_ms, self._count)
            begun = Fragment(number, now, producer_timestamp, header, dict(tags), timestamp)
            begun.heard = now
            self._fragments.append(begun)
            self._account(begun, len(header))
            return begun

    def grow(self, producer: object, fragment: Fragment, piece: bytes, length: float) -> None:
        """Add an element to a fragment's cluster.

        Args:
            length: seconds from the fragment's beginning to the frame in it.

        Raises:
            ProducerSuperseded: another producer has taken over.
            StreamClosed: it takes no more.
        """
        with self._changed:
            fragment.heard = self._hear(producer)
            fragment.pieces.append(piece)
            fragment.length = max(fragment.length, length)
            self._account(fragment, len(piece))

    def finish(self, fragment: Fragment) -> None:
        """Say that a fragment is whole."""
        with self._changed:
            if fragment.state is State.GROWING:
                fragment.state = State.WHOLE
                self._notify()

    def close(self) -> None:
        """Forget everything, and end all reading and sending."""
        with self._changed:
            self._closed = True
            self._fragments.clear()
            self._size = 0
            self._notify()

    def expire(self) -> None:
        """Forget what is too old."""
        with self._changed:
            self._trim()

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Call a function after each change while the block runs.

        Args:
            watcher: returns at once; it is called in the thread that makes the change.
        """
        with self._changed:
            self._watchers.add(watcher)
        try:
            yield
        finally:
            with self._changed:
                self._watchers.discard(watcher)

    def read(self, start: Start) -> Reader:
        """A reader from a start on.

        Raises:
            FragmentNotFound: the fragment to start from is not held.
        """
        with self._changed:
            self._trim()
            return Reader(self, self._find(start), start)

    def _find(self, start: Start) -> str:
        """The number behind which reading starts; empty for all that is held."""
        match start.selector:
            case Selector.NOW:
                return self._before_live()
            case Selector.FRAGMENT_NUMBER | Selector.CONTINUATION_TOKEN:
                held = {each.number for each in self._fragments}
                if start.number not in held | {self._dropped}:
                    raise FragmentNotFound(f"Fragment {start.number} is not held by the stream.")
                return start.number
        return ""

    def _before_live(self) -> str:
        """Where a live reader starts: before the newest fragment, unless the stream is idle."""
        numbers = [each.number for each in self._fragments]
        if not numbers:
            return ""
        newest = self._fragments[-1]
        live = newest.state is State.GROWING or self._clock() - newest.heard < _LIVE
        return (["", *numbers])[-2 if live else -1]

    def _notify(self) -> None:
        self._changed.notify_all()
        for watcher in self._watchers:
            watcher()

    def _is_free(self) -> bool:
        return self._producer is None or self._clock() - self._heard > SILENCE

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosed("The stream is deleted.")

    def _hear(self, producer: object) -> float:
        self._check_open()
        if self._producer is not producer:
            raise ProducerSuperseded("Another producer has taken over the stream.")
        self._heard = self._clock()
        return self._heard

    def _drop_growing(self) -> None:
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
            if self._size <= self._most_bytes and oldest.heard >= horizon:
                return
            self._fragments.popleft()
            self._size -= oldest.size
            self._dropped = oldest.number


class Reader:
    """One reader's place in a buffer; for one thread."""

    def __init__(self, buffer: Buffer, after: str, start: Start) -> None:
        self._buffer = buffer
        self._after = after
        self._start = start
        self._fragment: Fragment | None = None
        self._taken = 0

    def read(self, seconds: float) -> Passage | None:
        """What comes next, or None if nothing does for so long.

        Raises:
            StreamClosed: the stream is deleted, or the server stops.
        """
        with self._buffer._changed:
            end = time.monotonic() + seconds
            while True:
                self._buffer._check_open()
                passage = self._next_passage()
                left = end - time.monotonic()
                if passage or left <= 0:
                    return passage
                self._buffer._changed.wait(left)

    def _next_passage(self) -> Passage | None:
        fragment = self._fragment or self._next()
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
        ends = over and fragment.state is State.WHOLE
        if not (begins or pieces or ends):
            return self._next_passage() if over else None
        behind = self._millis_behind(fragment) if ends else 0
        return Passage(fragment, tuple(pieces), begins, ends, behind)

    def _next(self) -> Fragment | None:
        return next((each for each in self._buffer._fragments if self._wants(each)), None)

    def _wants(self, fragment: Fragment) -> bool:
        if fragment.number <= self._after:
            return False
        match self._start.selector if not self._after else None:
            case Selector.SERVER_TIMESTAMP:
                return fragment.heard >= self._start.timestamp
            case Selector.PRODUCER_TIMESTAMP:
                ends = fragment.producer_timestamp + fragment.length
                return ends >= self._start.timestamp
        return True

    def _millis_behind(self, fragment: Fragment) -> int:
        held = self._buffer._fragments
        newest = held[-1] if held else fragment
        return max(0, round((newest.server_timestamp - fragment.server_timestamp) * 1000))
