"""The pixels of a PNG file without its metadata.

A decoder gets only the chunks that carry pixels. Profiles, texts and other chunks, whose content
may be damaged or unpack to gigabytes, never reach it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from facedex.vision.vision_errors import InvalidImage

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS: Final = 100_000  # 15 MB in IDAT chunks of 150 bytes; encoders write 8 kB and more

# PNG, third edition, 5.6: the chunks without which there is no picture.
_HEADER, _PALETTE, _PIXELS, _END = b"IHDR", b"PLTE", b"IDAT", b"IEND"
_TRANSPARENCY: Final = b"tRNS"

# PNG, 11.2.1: the channels and bit depths of each colour type.
_GREY, _RGB, _INDEXED = 0, 2, 3
_CHANNELS: Final = {_GREY: 1, _RGB: 3, _INDEXED: 1, 4: 2, 6: 4}
_DEPTHS: Final = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _INDEXED: (1, 2, 4, 8),
    4: (8, 16),
    6: (8, 16),
}
_TRANSPARENCY_SIZES: Final = {_GREY: 2, _RGB: 6}
# PNG, 8.1: first column, first row, and distance of columns and rows of the passes of Adam7.
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_BLOCK: Final = 1 << 20  # bytes to unpack at once

_DAMAGED: Final = "The PNG image is damaged or truncated; send a complete file."


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG file's pixels.

    Attributes:
        width, height: pixels.
        depth: bits of each channel.
        colour: the colour type.
        interlaced: whether the rows come in the seven passes of Adam7.
        lead: the file up to the pixels: signature, header, palette, transparent colours.
        packed: the compressed pixels, possibly truncated.
    """

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    lead: bytes
    packed: bytes

    @property
    def reducible(self) -> bool:
        """Whether a decoder can reduce it without all of it in memory; Pillow's cannot."""
        return False

    @property
    def data(self) -> bytes:
        """A file of this picture alone."""
        return b"".join((self.lead, _chunk(_PIXELS, self.packed), _chunk(_END, b"")))

    @property
    def pixel_bits(self) -> int:
        """The number of bits of a pixel, from 1 to 64."""
        return _CHANNELS[self.colour] * self.depth

    @property
    def unpacked_size(self) -> int:
        """The number of bytes that the pixels take, one filter byte in each row included."""
        bits = self.pixel_bits
        if not self.interlaced:
            return self.height * (1 + (self.width * bits + 7) // 8)
        total = 0
        for left, top, across, down in _ADAM7:
            columns = max(0, -(-(self.width - left) // across))
            rows = max(0, -(-(self.height - top) // down))
            total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
        return total

    def repacked(self) -> Png:
        """Return the picture with its pixels compressed again, with right checksums.

        A decoder may refuse a wrong window size or checksum of the compressed data, or data after
        it, although every pixel is there.

        Raises:
            InvalidImage: if pixels are missing.
        """
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)  # without header and checksum
        pack = zlib.compressobj(1)
        parts: list[bytes] = []
        rest, missing = self.packed[2:], self.unpacked_size
        try:
            while missing and not unpack.eof:
                block = unpack.decompress(rest, min(_BLOCK, missing))
                rest = unpack.unconsumed_tail
                if not block and not rest:
                    break
                parts.append(pack.compress(block))
                missing -= len(block)
        except zlib.error:
            raise InvalidImage(_DAMAGED) from None
        if missing:
            raise InvalidImage(_DAMAGED)
        packed = b"".join((*parts, pack.flush()))
        return Png(
            self.width, self.height, self.depth, self.colour, self.interlaced, self.lead, packed
        )


def read(data: bytes) -> Png:
    """Read a PNG file; pass over everything but its pixels.

    The checksums of the chunks that carry pixels must be right, except of the last one in a
    truncated file. Transparent colours that break the specification are ignored, as browsers
    do.

    Raises:
        InvalidImage: if the file has no picture, or its pixels are damaged.
    """
    header = palette = transparency = b""
    pixels: list[bytes] = []
    for name, content in _chunks(data):
        if not header:
            if name != _HEADER or len(content) != 13:
                raise InvalidImage(_DAMAGED)
            header = content
        elif name == _PIXELS:
            pixels.append(content)
        elif name == _PALETTE and not palette and not pixels:
            palette = content
        elif name == _TRANSPARENCY and not transparency and not pixels:
            transparency = content
    if not pixels:
        raise InvalidImage(_DAMAGED)
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(
        ">IIBBBBB", header
    )
    if not width or not height or depth not in _DEPTHS.get(colour, ()):
        raise InvalidImage(_DAMAGED)
    if compression or filtering or interlace > 1:
        raise InvalidImage("The PNG image is packed in an unknown way; save it as a standard PNG.")
    lead = [SIGNATURE, _chunk(_HEADER, header)]
    if colour == _INDEXED:
        if not palette or len(palette) % 3:
            raise InvalidImage(_DAMAGED)
        palette = palette[: 3 << depth]
        lead.append(_chunk(_PALETTE, palette))
        most = len(palette) // 3
        if transparency and len(transparency) <= most:
            lead.append(_chunk(_TRANSPARENCY, transparency))
    elif transparency and len(transparency) == _TRANSPARENCY_SIZES.get(colour):
        lead.append(_chunk(_TRANSPARENCY, transparency))
    return Png(width, height, depth, colour, interlace == 1, b"".join(lead), b"".join(pixels))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the chunks that carry pixels, up to the end.

    Raises:
        InvalidImage: if one of them has a wrong checksum, or the file needs chunks that the
            specification lacks.
    """
    place = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        size, name = data[place : place + 4], data[place + 4 : place + 8]
        if len(name) < 4 or name == _END:
            return
        start, end = place + 8, place + 8 + int.from_bytes(size, "big")
        place = end + 4
        checksum = data[end:place]
        if name in (_HEADER, _PALETTE, _PIXELS, _TRANSPARENCY):
            content = data[start:end]
            right = len(checksum) < 4 or zlib.crc32(content, zlib.crc32(name)) == int.from_bytes(
                checksum, "big"
            )
            if right:
                yield name, content
            elif name != _TRANSPARENCY:
                raise InvalidImage(_DAMAGED)
        elif not name.isalpha():
            return  # damage: what follows is no chunk
        elif name[:1].isupper():  # PNG, 5.4: it must not be ignored
            raise InvalidImage(
                f"The PNG image has a chunk {name.decode('ascii')}, which no standard defines;"
                " save it as a standard PNG."
            )
    raise InvalidImage(
        f"The PNG image has more than {MOST_CHUNKS} chunks; save it again without its metadata."
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(name))
    return b"".join((len(content).to_bytes(4, "big"), name, content, checksum.to_bytes(4, "big")))
