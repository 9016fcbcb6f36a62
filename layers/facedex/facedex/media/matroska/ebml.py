"""EBML: variable-length numbers and elements (RFC 8794; IDs from RFC 9559)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from facedex.media.matroska.matroska_errors import Malformed

EBML: Final = 0x1A45DFA3
SEGMENT: Final = 0x18538067
SEEK_HEAD: Final = 0x114D9B74
INFO: Final = 0x1549A966
TRACKS: Final = 0x1654AE6B
TAGS: Final = 0x1254C367
CLUSTER: Final = 0x1F43B675
CUES: Final = 0x1C53BB6B
CHAPTERS: Final = 0x1043A770
ATTACHMENTS: Final = 0x1941A469

VOID: Final = 0xEC
CRC_32: Final = 0xBF

TIMESTAMP_SCALE: Final = 0x2AD7B1

TRACK_ENTRY: Final = 0xAE
TRACK_NUMBER: Final = 0xD7
TRACK_TYPE: Final = 0x83
CODEC_ID: Final = 0x86
CODEC_PRIVATE: Final = 0x63A2
CONTENT_ENCODINGS: Final = 0x6D80
VIDEO: Final = 0xE0
PIXEL_WIDTH: Final = 0xB0
PIXEL_HEIGHT: Final = 0xBA

TAG: Final = 0x7373
SIMPLE_TAG: Final = 0x67C8
TAG_NAME: Final = 0x45A3
TAG_STRING: Final = 0x4487

TIMESTAMP: Final = 0xE7
SILENT_TRACKS: Final = 0x5854
POSITION: Final = 0xA7
PREV_SIZE: Final = 0xAB
SIMPLE_BLOCK: Final = 0xA3
BLOCK_GROUP: Final = 0xA0
BLOCK: Final = 0xA1
REFERENCE_BLOCK: Final = 0xFB
ENCRYPTED_BLOCK: Final = 0xAF

_LONGEST_ID: Final = 4
_LONGEST_SIZE: Final = 8
_UNKNOWN: Final = b"\x01" + b"\xff" * 7

Bytes = bytes | bytearray | memoryview


def read_id(data: Bytes, at: int) -> tuple[int, int] | None:
    """Return an element's ID with its length marker, and its end; None if bytes are missing.

    Raises:
        Malformed: if no ID begins with this byte.
    """
    if at >= len(data):
        return None
    length = 9 - data[at].bit_length()
    if length > _LONGEST_ID:
        raise Malformed(f"No Matroska element begins with the byte 0x{data[at]:02x}.")
    end = at + length
    return (int.from_bytes(data[at:end], "big"), end) if end <= len(data) else None


def read_size(data: Bytes, at: int) -> tuple[int | None, int] | None:
    """Return an element's size (None if unknown) and the size's end; None if bytes are missing.

    Raises:
        Malformed: if the size is longer than EBML allows.
    """
    if at >= len(data):
        return None
    length = 9 - data[at].bit_length()
    if length > _LONGEST_SIZE:
        raise Malformed("An element's size has more than 8 bytes.")
    end = at + length
    if end > len(data):
        return None
    value = int.from_bytes(data[at:end], "big")
    highest = (1 << 7 * length) - 1
    return (None if value & highest == highest else value & highest), end


def children(body: Bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the ID and the body of each element in the body of another.

    Raises:
        Malformed: if the elements do not fill the body.
    """
    at = 0
    while at < len(body):
        name = read_id(body, at)
        size = read_size(body, name[1]) if name else None
        if name is None or size is None or size[0] is None or size[1] + size[0] > len(body):
            raise Malformed("An element extends beyond the end of its parent.")
        at = size[1] + size[0]
        yield name[0], bytes(body[size[1] : at])


def unsigned(body: Bytes) -> int:
    """Return the value of an unsigned integer element.

    Raises:
        Malformed: if the integer has more than eight bytes.
    """
    if len(body) > 8:
        raise Malformed("An integer has more than 8 bytes.")
    return int.from_bytes(body, "big")


def text(body: bytes) -> str:
    """Return the value of a string element, which may be padded with zeros."""
    return body.rstrip(b"\0").decode("utf-8", "replace")


def element(name: int, body: bytes) -> bytes:
    """Return an element of a known size."""
    return _id(name) + _size(len(body)) + body


def number(name: int, value: int) -> bytes:
    """Return an unsigned integer element."""
    return element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def string(name: int, value: str) -> bytes:
    """Return a string element."""
    return element(name, value.encode())


def endless(name: int) -> bytes:
    """Return the head of an element of unknown size, whose content is written as it arrives."""
    return _id(name) + _UNKNOWN


def _id(name: int) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big")


def _size(value: int) -> bytes:
    length = 1
    while value >= (1 << 7 * length) - 1:
        length += 1
    return ((1 << 7 * length) | value).to_bytes(length, "big")
