"""Whether a file is all there: what FFmpeg does not say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from facedex.media import boxes
from facedex.media.errors import FilmError
from facedex.media.ranges import Source

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

HEAD: Final = 4096  # bytes; the headers looked at lie within
EBML: Final = b"\x1a\x45\xdf\xa3"
SEGMENT: Final = b"\x18\x53\x80\x67"

CUT_OFF: Final = "The video is cut off: {}; upload the whole file."


def size_of(source: Source) -> int:
    """Return a file's size in bytes."""
    return source.seek(0, 2)


def why_unreadable(source: Source, formats: str) -> str:
    """Say why FFmpeg could not open a file."""
    if _is_mp4(_head(source)):
        size = size_of(source)
        found = list(boxes.inside(source, 0, size))
        if any(box.end > size for box in found) or all(box.name != b"moov" for box in found):
            return CUT_OFF.format("its index is missing")
    return f"The file is not a video that can be read; it may be one of {formats}."


def check(source: Source, container: InputContainer, stream: VideoStream) -> None:
    """Raise FilmError where a file ends before what its own headers announce.

    The file's place is left as it was: FFmpeg goes on reading there.
    """
    place = source.tell()
    size = size_of(source)
    head = _head(source)
    source.seek(place)
    announced = 0
    if head.startswith(EBML):
        announced = _matroska_end(head)
    elif head.startswith(b"RIFF"):
        announced = 8 + int(struct.unpack_from("<I", head, 4)[0])
    elif "mp4" in container.format.name:
        announced = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if announced > size:
        share = 100 * size // announced
        raise FilmError(CUT_OFF.format(f"{share} % of its {announced} bytes are there"))


def _head(source: Source) -> bytes:
    source.seek(0)
    return source.read(HEAD) or b""


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in boxes.FIRST


def _matroska_end(head: bytes) -> int:
    """Return where a Matroska file's one segment ends; 0 where it does not say."""
    place = head.find(SEGMENT)
    if place < 0 or place + 12 > len(head):
        return 0
    place += len(SEGMENT)
    # EBML's numbers (RFC 8794, section 4): as many more bytes as the first has leading zeros.
    width = 9 - head[place].bit_length()
    if not 1 <= width <= 8:
        return 0
    value = int.from_bytes(head[place : place + width], "big") & ((1 << 7 * width) - 1)
    unknown = (1 << 7 * width) - 1
    return 0 if value == unknown else place + width + value
