"""Random damage to files: bytes, markers, chunks and boxes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from random import Random

MOST_BYTES = 5_000_000  # of a damaged file, as of a picture in a request
_BLOCK = 256  # bytes of a piece in formats whose structure is unknown here
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF)  # bytes at the limits of counters and lengths


def mutate(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Return a damaged copy of a file.

    Args:
        data: a JPEG, a PNG, an MP4 or any other file.
        random: source of the choices.
        others: files whose parts may be mixed in.
    """
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(_WAYS)(data or b"\0", random, others)[:MOST_BYTES]
    return data


def pieces(data: bytes) -> list[bytes]:
    """Return a file's markers, chunks or boxes; joined, they are the file."""
    if data.startswith(b"\xff\xd8"):
        return list(_jpeg_segments(data))
    if data.startswith(b"\x89PNG"):
        return list(_png_chunks(data))
    if data[4:8] == b"ftyp":
        return list(_mp4_boxes(data))
    return [data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)]


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + int(struct.unpack_from(">H", data, at + 2)[0])
        yield data[at:end]
        at = end
    yield data[at:]


def _png_chunks(data: bytes) -> Iterator[bytes]:
    yield data[:8]
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int(struct.unpack_from(">I", data, at)[0])
        yield data[at:end]
        at = end
    yield data[at:]


def _mp4_boxes(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(data):
        end = at + max(8, int(struct.unpack_from(">I", data, at)[0]))
        yield data[at:end]
        at = end
    yield data[at:]


def _flip(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Change some bytes, more often near the beginning, where the headers are."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 2, 8, 64))):
        end = len(data) if random.random() < 0.5 else min(len(data), 1024)
        at = random.randrange(end)
        changed[at] = random.choice((*_NUMBERS, random.randrange(256), changed[at] ^ 1))
    return bytes(changed)


def _cut(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data))
    return data[:at] if random.random() < 0.7 else data[at:]


def _splice(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    return data[: random.randrange(len(data))] + other[random.randrange(len(other)) :]


def _insert(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    at, size = random.randrange(len(data)), random.choice((1, 2, 16, 4096))
    new = random.choice((bytes(size), b"\xff" * size, random.randbytes(size)))
    return data[:at] + new + data[at:]


def _repeat(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data))
    part = data[at : at + random.choice((4, 64, 4096))]
    return data[:at] + part * random.choice((2, 3, 50)) + data[at + len(part) :]


def _move(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Move, remove, repeat or borrow a marker, a chunk or a box."""
    found = pieces(data)
    at = random.randrange(len(found))
    match random.randrange(4):
        case 0:
            piece = found.pop(at)
            found.insert(random.randrange(len(found) + 1), piece)
        case 1:
            del found[at]
        case 2:
            times = random.choice((1, 2, 200))
            found[at:at] = [found[at]] * min(times, MOST_BYTES // max(1, len(found[at])))
        case _:
            found.insert(at, random.choice(pieces(random.choice(others))))
    return b"".join(found)


def _edit(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Change bytes inside a piece; a PNG chunk mostly gets its right checksum again."""
    found = pieces(data)
    at = random.randrange(len(found))
    piece = bytearray(found[at])
    if not piece:
        return data
    for _ in range(random.choice((1, 1, 2, 6))):
        piece[random.randrange(min(len(piece), 64))] = random.choice(
            (*_NUMBERS, random.randrange(256))
        )
    if data.startswith(b"\x89PNG") and len(piece) > 12 and random.random() < 0.8:
        struct.pack_into(">I", piece, len(piece) - 4, zlib.crc32(piece[4:-4]))
    found[at] = bytes(piece)
    return b"".join(found)


_WAYS: tuple[Callable[[bytes, Random, Sequence[bytes]], bytes], ...] = (
    *(_flip, _flip, _cut, _splice, _insert, _repeat, _move, _move, _edit, _edit),
)
