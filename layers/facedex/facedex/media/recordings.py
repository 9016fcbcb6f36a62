"""The recordings in a file: usually one, several where files were joined end to end.

A player shows only the first of them, or all, depending on the format. Each has a clock, an index
and perhaps tracks of its own, so each is opened like a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from facedex.media import boxes
from facedex.media.ranges import Source

MOST: Final = 1000  # recordings in one file
MOST_BOXES: Final = 10_000  # of an MP4 file, on the top level
MOST_SEARCHED: Final = 64 * 1024**2  # bytes after the last picture in which a start is looked for
PIECE: Final = 1024**2  # bytes
LONGEST_START: Final = 256  # bytes that a pattern below may extend over

# The beginnings of files, of which each contains one only.
START: Final = re.compile(
    rb"\x1a\x45\xdf\xa3(?=.{1,64}(?:matroska|webm))"
    rb"|\x00\x00[\x00-\x0f].ftyp(?=[ -~]{4})"  # MP4
    rb"|RIFF(?=....AVI )"
    rb"|FLV\x01[\x00-\x05]\x00\x00\x00\x09"
    rb"|DKIF\x00\x00\x20\x00"  # IVF
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"  # ASF
    rb"|OggS\x00\x02"
    rb"|\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02",  # MXF
    re.DOTALL,
)
# In formats of streams, a recording may begin wherever there is one of these.
REPEATED: Final = {
    # A program association table, in packets of 188 or 192 bytes (ISO/IEC 13818-1, 2.4.4).
    "mpegts": re.compile(rb"\x47[\x40\x60]\x00(?=.{185}\x47|.{189}\x47)", re.DOTALL),
    "mpeg": re.compile(rb"\x00\x00\x01\xba"),
}
PACKETS: Final = (188, 192)  # possible lengths of the packets of MPEG-TS
VIDEO: Final = re.compile(rb"\x00\x00\x01[\xe0-\xef]")  # the beginning of a packetised picture


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording in a file.

    Attributes:
        first, end: its bytes in the file, the end exclusive.
        start: the film's time at which it begins, ms; the duration of all recordings before it.
        duration: ms.
        track: number of the track that is the film.
        steady: whether its clock runs without jumps. One that does not can only be decoded from its
            beginning, in one segment.
    """

    first: int
    end: int
    start: int
    duration: int
    track: int
    steady: bool = True


class Window:
    """A part of a file as a file of its own."""

    def __init__(self, source: Source, first: int, end: int) -> None:
        """Create a window on the bytes from ``first`` until before ``end``."""
        self._source, self._first, self._size = source, first, end - first
        self._place = 0

    def read(self, size: int = -1, /) -> bytes | None:
        """Return at most ``size`` bytes from the current position."""
        left = max(0, self._size - self._place)
        self._source.seek(self._first + self._place)
        found = self._source.read(left if size < 0 else min(size, left)) or b""
        self._place += len(found)
        return found

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position and return it."""
        place = offset + (0, self._place, self._size)[whence]
        if place < 0:
            raise ValueError("A position in a file cannot be negative.")
        self._place = place
        return place

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._place


def window(source: Source, recording: Recording) -> Source:
    """Return a recording as a file of its own."""
    return Window(source, recording.first, recording.end)


def next_start(source: Source, after: int, before: int) -> int | None:
    """Return where, between two positions, a file begins; None if none does.

    The position in the file is restored, as FFmpeg continues reading there.

    Args:
        source: the file.
        after: a position after the beginning of the current recording.
        before: the position of the picture that may belong to another recording, or the end of
            the file.
    """
    return next(_matches(source, START, after, before), None)


def last_start(source: Source, container: str, after: int, before: int) -> int | None:
    """Return where, in a format of streams, the recording of the picture at ``before`` begins.

    Args:
        source: the file; its position is restored.
        container: FFmpeg's name of the format, one of ``REPEATED``.
        after: the position of the last picture of the recording before.
        before: the position of the picture.
    """
    return max(_matches(source, REPEATED[container], after, before), default=None)


def _matches(source: Source, pattern: re.Pattern[bytes], after: int, before: int) -> Iterator[int]:
    kept, place = source.tell(), after
    try:
        while place < min(before, after + MOST_SEARCHED):
            source.seek(place)
            for match in pattern.finditer(_read(source, PIECE + LONGEST_START)):
                if match.start() < PIECE and place + match.start() <= before:
                    yield place + match.start()
            place += PIECE
    finally:
        source.seek(kept)


def next_program(source: Source, after: int, before: int, pid: int) -> int | None:
    """Return where, in an MPEG-TS file, a recording begins whose video has another packet id.

    FFmpeg reads the rest of the file without it. The position in the file is restored.

    Args:
        source: the file.
        after: the position of the packet with which the last picture of the track begins.
        before: the end of the file.
        pid: the packet id of the track.
    """
    kept, place, tables = source.tell(), after, None
    source.seek(after)
    head = _read(source, PACKETS[-1] + 1)
    width = next((each for each in PACKETS if head[each : each + 1] == b"\x47"), PACKETS[0])
    while place < min(before, after + MOST_SEARCHED):
        source.seek(place)
        piece = _read(source, 4096 * width)
        for start in range(0, len(piece) - width + 1, width):
            packet = piece[start : start + PACKETS[0]]
            if packet[0] != 0x47 or not packet[1] & 0x40:  # not the beginning of a payload
                continue
            number = (packet[1] & 0x1F) << 8 | packet[2]
            payload = 5 + packet[4] if packet[3] & 0x20 else 4
            if number == 0:
                tables = place + start
            elif tables and number != pid and VIDEO.match(packet, payload):
                source.seek(kept)
                return tables
        place += 4096 * width
    source.seek(kept)
    return None


def is_padding(source: Source, first: int) -> bool:
    """Return whether a file continues with zeros only, as far as a header would extend."""
    source.seek(first)
    return not any(_read(source, LONGEST_START))


def end_of_mp4(source: Source, size: int) -> tuple[int, bool]:
    """Return where the first recording in an MP4 file ends, and whether it is fragmented.

    Of a fragmented one, only the boxes before the first fragment are read: the end is then that of
    the file.
    """
    seen: set[bytes] = set()
    complete: int | None = None  # where both index and pictures have been read
    for box in boxes.inside(source, 0, size, most=MOST_BOXES):
        if box.name == b"moof":
            return size, True
        if box.name == b"ftyp" and b"moov" in seen:
            return box.start - 8, False
        if box.name == b"moov" and complete and b"ftyp" not in seen:
            return complete, False  # old QuickTime files do not begin with a box of their own
        if b"moov" in seen and box.end > size and box.name not in boxes.LARGE:
            return box.start - 8, False  # the file continues with something else
        seen.add(box.name)
        if complete is None and {b"moov", b"mdat"} <= seen:
            complete = box.end
    return size, False


def _read(source: Source, size: int) -> bytes:
    """Return ``size`` bytes, or fewer at the end of the file."""
    found = bytearray()
    while len(found) < size and (more := source.read(size - len(found))):
        found += more
    return bytes(found)
