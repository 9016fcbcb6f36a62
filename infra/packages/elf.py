"""Removal of debugging data and gaps from shared libraries."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_MAGIC: Final = b"\x7fELF\x02\x01"  # 64 bits, little-endian, as both of Lambda's architectures are
# Offsets in the file header, of System V ABI, "ELF Header".
_PROGRAM_HEADERS: Final = 0x20  # where they start, 8 bytes
_SECTION_HEADERS: Final = 0x28
_PROGRAM_SIZES: Final = 0x36  # size of one and their number, 2 bytes each
_SECTION_SIZES: Final = 0x3A  # size of one, number, index of the names
# Type, flags, offset, virtual address, physical address, size in the file, size in memory,
# alignment.
_PROGRAM_HEADER: Final = "<IIQQQQQQ"
_LOAD: Final = 1
# The largest page of any kernel. A greater alignment is meant for huge pages, and leaves gaps.
_PAGE: Final = 0x10000


def compact(content: bytes) -> bytes:
    """Return a shared library with only the parts that the loader maps; other files unchanged.

    Debug information and the linker's symbols are in no segment, and ``dlopen`` looks names up in
    the dynamic symbols, which are in one. Segments keep their addresses; they move in the file
    alone, each to the next place that is the same distance from a page's start as its address.
    """
    if not content.startswith(_MAGIC):
        return content
    (table,) = struct.unpack_from("<Q", content, _PROGRAM_HEADERS)
    length, count = struct.unpack_from("<HH", content, _PROGRAM_SIZES)
    places = [table + number * length for number in range(count)]
    headers = [list(struct.unpack_from(_PROGRAM_HEADER, content, place)) for place in places]
    loads = sorted(
        (offset, address, size, min(alignment, _PAGE))
        for kind, _, offset, address, _, size, _, alignment in headers
        if kind == _LOAD and size
    )
    packed = bytearray()
    moved = []  # first and last byte before the move, and the distance
    for offset, address, size, alignment in loads:
        start = len(packed) + (address - len(packed)) % max(alignment, 1)
        packed += bytes(start - len(packed)) + content[offset : offset + size]
        moved.append((offset, offset + size, start - offset))

    def new(offset: int) -> int:
        return next((offset + by for first, end, by in moved if first <= offset < end), 0)

    if not moved or moved[0][0] or not new(table):
        return content  # no segment holds the file header or the table of segments
    for place, header in zip(places, headers, strict=True):
        header[2] = new(header[2])
        header[7] = min(header[7], _PAGE)
        struct.pack_into(_PROGRAM_HEADER, packed, new(place), *header)
    struct.pack_into("<Q", packed, _PROGRAM_HEADERS, new(table))
    struct.pack_into("<Q", packed, _SECTION_HEADERS, 0)
    struct.pack_into("<HH", packed, _SECTION_SIZES + 2, 0, 0)
    return bytes(packed)


def is_shared_library(path: Path) -> bool:
    """Return whether a file name is that of a shared library, with or without a version."""
    return ".so" in path.suffixes
