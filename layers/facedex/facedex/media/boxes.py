"""Boxes of MP4 and MOV files (ISO/IEC 14496-12), read no deeper than needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from facedex.media.film_errors import FilmError
from facedex.media.ranges import Source

MOST_BOXES: Final = 64  # of one level that are read

# Boxes that an MP4 or MOV may begin with.
FIRST: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})

# Six hours at 240 frames a second. FFmpeg makes an entry of 24 bytes for each sample that the
# header counts, whether there is one or not: without a bound, a file of a few kilobytes takes
# gigabytes.
MOST_SAMPLES: Final = 6 * 3600 * 240

# Sample entries of encrypted pictures: ISO/IEC 14496-12, 8.12, and FairPlay's.
ENCRYPTED: Final = frozenset({b"encv", b"drmi"})


class Box(NamedTuple):
    """A box's name, and where its content begins and ends."""

    name: bytes
    start: int
    end: int


def inside(source: Source, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places; the last one may reach beyond the end."""
    for _ in range(MOST_BOXES):
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
    """Raise FilmError where pictures are encrypted, or more are claimed than any film has."""
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
            f"The video's index claims {max(counts)} frames, more than six hours have;"
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
