"""Readers of a stream's fragments, each with a position of its own.

A fragment can be read while it is still growing. Readers receive references to its pieces, not
copies, and a slow reader does not delay the producer. A reader misses fragments that are removed
from memory before it reads them.
"""

from __future__ import annotations

import time
from typing import Final

from facedex_local.aws.kinesis_video.buffer import Buffer
from facedex_local.aws.kinesis_video.kinesis_video_errors import FragmentNotFound
from facedex_local.aws.kinesis_video.passages import Fragment, Passage, Selector, Start, State

# Maximum age in seconds of a live stream's newest fragment: the maximum length of a fragment.
_LIVE: Final = 10.0
# Bytes that a reader receives in one call.
_PASSAGE: Final = 256 * 1024


class Reader:
    """A reader with a position in a buffer, for use by one thread.

    Args:
        buffer: the stream's media.
        start: the position at which reading starts.

    Raises:
        FragmentNotFound: if the fragment to start from is not in memory.
    """

    def __init__(self, buffer: Buffer, start: Start) -> None:
        self._buffer = buffer
        self._start = start
        with buffer.changed:
            buffer.expire()
            self._after = self._find_start(start)
        self._fragment: Fragment | None = None
        self._taken = 0

    def read(self, seconds: float) -> Passage | None:
        """Return the next passage, or None if there is none within ``seconds``.

        Raises:
            StreamClosed: if the stream was deleted or the server is stopping.
        """
        with self._buffer.changed:
            end = time.monotonic() + seconds
            while True:
                self._buffer.require_open()
                passage = self._next_passage()
                remaining = end - time.monotonic()
                if passage or remaining <= 0:
                    return passage
                self._buffer.changed.wait(remaining)

    def _find_start(self, start: Start) -> str:
        """Return the number after which reading starts, or "" to read all fragments."""
        match start.selector:
            case Selector.NOW:
                return self._before_live()
            case Selector.FRAGMENT_NUMBER | Selector.CONTINUATION_TOKEN:
                held = {each.number for each in self._buffer.fragments}
                if start.number not in held | {self._buffer.removed}:
                    raise FragmentNotFound(f"Fragment {start.number} is not in the stream.")
                return start.number
        return ""

    def _before_live(self) -> str:
        """Return the number after which a live reader starts.

        Its first fragment is the newest one, or the next one if the stream is idle.
        """
        numbers = [each.number for each in self._buffer.fragments]
        if not numbers:
            return ""
        newest = self._buffer.fragments[-1]
        live = newest.state is State.GROWING or self._buffer.clock() - newest.received < _LIVE
        return (["", *numbers])[-2 if live else -1]

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
        return next((each for each in self._buffer.fragments if self._wants(each)), None)

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
        held = self._buffer.fragments
        newest = held[-1] if held else fragment
        return max(0, round((newest.server_timestamp - fragment.server_timestamp) * 1000))
