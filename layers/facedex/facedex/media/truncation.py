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


def size_of(source: Source) -> int:
    """Return a file's size in bytes."""
    return source.seek(0, 2)


def refuse(source: Source) -> None:
    """Refuse a file that FFmpeg could not open, if that is because it is truncated.

    Raises:
        FilmError: if the file is truncated.
    """
    size = size_of(source)
    head = _head(source)
    if head[4:8] in boxes.FIRST:
        found = list(boxes.inside(source, 0, size))
        if all(box.name != b"moov" for box in found):
            raise cut_off("its index is missing")
        declared = max(box.end for box in found)
    else:
        declared = _declared_size(head)
    if declared > size:
        raise cut_off(_share(size, declared))


def shortfall(source: Source, stream: VideoStream, size: int) -> str | None:
    """Return how much of an opened file is missing, for the end of a sentence; None if nothing.

    Args:
        source: the file.
        stream: its video track, of whose index FFmpeg knows as much as it has read.
        size: position in the file at which its recording ends.
    """
    declared = _declared_size(_head(source))
    if "mp4" in stream.container.format.name:
        # The index of a fragmented file may already contain fragments of the next recording.
        known = size_of(source)
        ends = (
            entry.pos + entry.size
            for entry in stream.index_entries
            if entry.pos < size or size == known
        )
        large = (box.end for box in boxes.inside(source, 0, size) if box.name in boxes.LARGE)
        declared = max(max(ends, default=0), max(large, default=0))
    return _share(size, declared) if declared > size else None


def cut_off(reason: str) -> FilmError:
    """Return the error for a truncated file of which nothing can be searched."""
    return FilmError(f"The video is cut off: {reason}; upload the complete file.")


def _share(size: int, declared: int) -> str:
    share = min(99, round(100 * size / declared))
    return f"only {share} % of the {declared} bytes that it declares are present"


def _declared_size(head: bytes) -> int:
    """Return the size that the header of a Matroska or AVI file declares; 0 if it declares none."""
    if head.startswith(EBML):
        return _matroska_end(head)
    if head.startswith(b"RIFF"):
        return 8 + int(struct.unpack_from("<I", head.ljust(8, b"\0"), 4)[0])
    return 0


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
