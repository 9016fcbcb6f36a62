"""Files of pictures, chunk by chunk and segment by segment, for tests of metadata."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pattern(width: int = 70, height: int = 50) -> Image.Image:
    """Return a picture of smooth colours without two equal rows."""
    few = np.random.default_rng(1).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)


def chunk(name: bytes, content: bytes, *, checksum: int | None = None) -> bytes:
    """Return a PNG chunk, with a wrong checksum if one is given."""
    right = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum or right)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the names and contents of a PNG file's chunks."""
    found = []
    place = len(SIGNATURE)
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def png(*parts: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of chunks."""
    return SIGNATURE + b"".join(chunk(name, content) for name, content in parts)


def segment(kind: int, content: bytes, *, length: int | None = None) -> bytes:
    """Return a JPEG segment, with a wrong length if one is given."""
    return struct.pack(">BBH", 0xFF, kind, len(content) + 2 if length is None else length) + content


def exif(orientation: int, *, kind: int = 3, order: str = ">", count: int = 1) -> bytes:
    """Return a TIFF block that states an orientation.

    Args:
        orientation: the value.
        kind: type of the value: 1 BYTE, 3 SHORT, 4 LONG.
        order: ``>`` or ``<``.
        count: number of entries that the directory claims.
    """
    value = struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind], orientation).ljust(4, b"\0")
    start = b"MM\0*" if order == ">" else b"II*\0"
    return start + struct.pack(f"{order}IHHHI", 8, count, 0x0112, kind, 1) + value + b"\0\0\0\0"
