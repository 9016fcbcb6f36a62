"""Reading of the boxes of MP4 and MOV files (ISO/IEC 14496-12), as far as needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from facedex.media.film_errors import FilmError
from facedex.media.ranges import Source

MOST_BOXES: Final = 64  # maximum number to read on one level

# Boxes that an MP4 or MOV may begin with.
FIRST: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})

# Boxes that contain pictures or an index. Another one that extends beyond the end of the file is no
# box but something that follows the film.
LARGE: Final = frozenset({b"mdat", b"moov", b"moof"})

# Six hours at 240 frames per second. FFmpeg allocates 24 bytes for each sample that the header
# declares, even if it does not exist. Without a limit, a file of a few kilobytes could use
# gigabytes of memory.
MOST_SAMPLES: Final = 6 * 3600 * 240

# Sample entries of encrypted video: ISO/IEC 14496-12, 8.12, and FairPlay's.
ENCRYPTED: Final = frozenset({b"encv", b"drmi"})


class Box(NamedTuple):
    """A box: its name, and the start and end of its content in the file."""

    name: bytes
    start: int
    end: int


def inside(source: Source, start: int, end: int, *, most: int = MOST_BOXES) -> Iterator[Box]:
    """Yield the boxes between two positions; the last one may extend beyond the end."""
    for _ in range(most):
        if start + 8 > end:
            return
        source.seek(start)
        header = (source.read(16) or b"").ljust(16, b"\0")
        length, name, long = struct.unpack(">I4sQ", header)
        width = 16 if length == 1 else 8
        length = {0: end - start, 1: long}.get(length, length)
        if length < width:
            return
        yield Box(name, start + width, start + length)
        start += length


def check(source: Source, size: int) -> None:
    """Check that the video is not encrypted and does not declare an impossible number of frames.

    Raises:
        FilmError: if it does not pass the check.
    """
    for movie in _named(source, Box(b"", 0, size), b"moov"):
        for media in _named(source, movie, b"trak", b"mdia"):
            sound = any(
                _number(source, box.start + 8) == int.from_bytes(b"soun")
                for box in _named(source, media, b"hdlr")
            )
            for table in _named(source, media, b"minf", b"stbl"):
                _check_entry(source, table)
                _check_count(source, table, sound=sound)


def _check_entry(source: Source, table: Box) -> None:
    """Check the name of a sample table's first entry, which follows a version and a count."""
    for described in _named(source, table, b"stsd"):
        source.seek(described.start + 12)
        if source.read(4) in ENCRYPTED:
            raise FilmError("The video is encrypted; upload it without DRM.")


def _check_count(source: Source, table: Box, *, sound: bool) -> None:
    counts = [
        _number(source, box.start + (8 if box.name == b"stsz" else 4))
        for name in (b"stsz", b"stz2", b"stts", b"ctts")
        for box in _named(source, table, name)
        # Uncompressed sound counts every value as a sample, but FFmpeg makes no entries for it.
        if not (sound and box.name == b"stsz")
    ]
    if max(counts, default=0) > MOST_SAMPLES:
        raise FilmError(
            f"The video's index claims {max(counts)} frames, more than fit into six hours;"
            " the file is damaged."
        )


def _named(source: Source, within: Box, name: bytes, *deeper: bytes) -> Iterator[Box]:
    for box in list(inside(source, within.start, within.end)):
        if box.name == name:
            if deeper:
                yield from _named(source, box, *deeper)
            else:
                yield box


def _number(source: Source, place: int) -> int:
    source.seek(place)
    return int.from_bytes(source.read(4) or b"")
