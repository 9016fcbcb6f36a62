"""Detection of truncated files, which FFmpeg reads without an error."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from facedex.media import boxes
from facedex.media.film_errors import FilmError
from facedex.media.ranges import Source

if TYPE_CHECKING:
    from av.video.stream import VideoStream

HEAD: Final = 4096  # bytes, which contain the headers
EBML: Final = b"\x1a\x45\xdf\xa3"
SEGMENT: Final = b"\x18\x53\x80\x67"

_MESSAGE: Final = "The video is cut off: {}; upload the complete file."


def size_of(source: Source) -> int:
    """Return a file's size in bytes."""
    return source.seek(0, 2)


def check(source: Source, stream: VideoStream | None = None) -> None:
    """Check that a file is as long as its headers declare.

    The position in the file is restored, as FFmpeg continues reading there.

    Args:
        source: the file.
        stream: its video track; None if FFmpeg could not open the file.

    Raises:
        FilmError: if the file is truncated.
    """
    position = source.tell()
    size = size_of(source)
    announced = _announced_size(source, size, stream)
    source.seek(position)
    if announced is None:
        raise FilmError(_MESSAGE.format("its index is missing"))
    if announced > size:
        share = 100 * size // announced
        raise FilmError(_MESSAGE.format(f"only {share} % of its {announced} bytes are present"))


def _announced_size(source: Source, size: int, stream: VideoStream | None) -> int | None:
    """Return the size that a file's headers declare, in bytes; 0 if they declare none.

    Returns:
        The size, or None for an MP4 whose index, usually at the end, is missing.
    """
    head = _head(source)
    if head.startswith(EBML):
        return _matroska_end(head)
    if head.startswith(b"RIFF"):
        return 8 + int(struct.unpack_from("<I", head.ljust(8, b"\0"), 4)[0])
    if stream is not None:
        if "mp4" not in stream.container.format.name:
            return 0
        return max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if head[4:8] not in boxes.FIRST:
        return 0
    found = list(boxes.inside(source, 0, size))
    if all(box.name != b"moov" for box in found):
        return None
    return max(box.end for box in found)


def _head(source: Source) -> bytes:
    source.seek(0)
    return source.read(HEAD) or b""


def _matroska_end(head: bytes) -> int:
    """Return the end of a Matroska file's only segment; 0 if its size is not declared."""
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
