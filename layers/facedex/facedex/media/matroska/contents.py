"""Contents of the elements of a stream: tracks, blocks, tags; and writers for a few elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from facedex.media.matroska import ebml
from facedex.media.matroska.matroska_errors import Malformed
from facedex.media.matroska.parsing import Element

MILLISECOND: Final = 1_000_000  # nanoseconds; Matroska's own default for a unit of time
_VIDEO: Final = 1
_KEY: Final = 0x80
_LACING: Final = 0x06


@dataclass(frozen=True, slots=True)
class Track:
    """A track of a stream.

    Attributes:
        number: the number by which blocks refer to it.
        video: whether it is a video track.
        codec: Matroska's codec ID, such as ``V_MPEG4/ISO/AVC``.
        private: data that the decoder needs before the first frame.
        width, height: pixels, 0 if not stated.
        packed: whether its blocks are additionally compressed or encrypted.
    """

    number: int
    video: bool
    codec: str
    private: bytes
    width: int = 0
    height: int = 0
    packed: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A frame as stored.

    Attributes:
        track: number of its track.
        offset: time since the cluster's, in the stream's unit, from -32768 to 32767.
        key: whether it is a key frame.
        data: its bytes.
    """

    track: int
    offset: int
    key: bool
    data: bytes


def read_tracks(body: bytes) -> tuple[Track, ...]:
    """Return the tracks in the body of a Tracks element.

    Raises:
        Malformed: if the body is malformed.
    """
    entries = (entry for name, entry in ebml.children(body) if name == ebml.TRACK_ENTRY)
    return tuple(_read_track(entry) for entry in entries)


def _read_track(body: bytes) -> Track:
    found = dict(ebml.children(body))
    picture = dict(ebml.children(found.get(ebml.VIDEO, b"")))
    return Track(
        number=ebml.unsigned(found.get(ebml.TRACK_NUMBER, b"")),
        video=ebml.unsigned(found.get(ebml.TRACK_TYPE, b"")) == _VIDEO,
        codec=ebml.text(found.get(ebml.CODEC_ID, b"")),
        private=found.get(ebml.CODEC_PRIVATE, b""),
        width=ebml.unsigned(picture.get(ebml.PIXEL_WIDTH, b"")),
        height=ebml.unsigned(picture.get(ebml.PIXEL_HEIGHT, b"")),
        packed=ebml.CONTENT_ENCODINGS in found,
    )


def read_scale(body: bytes) -> int:
    """Return the unit of time in nanoseconds, from the body of an Info element.

    Raises:
        Malformed: if the body is malformed, or the unit is zero.
    """
    scale = MILLISECOND
    for name, value in ebml.children(body):
        if name == ebml.TIMESTAMP_SCALE:
            scale = ebml.unsigned(value)
    if not scale:
        raise Malformed("The stream's unit of time is zero.")
    return scale


def read_tags(body: bytes) -> dict[str, str]:
    """Return the names and texts in the body of a Tags element.

    Raises:
        Malformed: if the body is malformed.
    """
    tags: dict[str, str] = {}
    for outer, tag in ebml.children(body):
        if outer != ebml.TAG:
            continue
        for inner, simple in ebml.children(tag):
            if inner == ebml.SIMPLE_TAG:
                found = dict(ebml.children(simple))
                name = ebml.text(found.get(ebml.TAG_NAME, b""))
                tags[name] = ebml.text(found.get(ebml.TAG_STRING, b""))
    return tags


def read_block(element: Element) -> Block:
    """Return the frame in a SimpleBlock or a BlockGroup.

    Raises:
        Malformed: if the element is malformed, or contains several frames, as no video does.
    """
    body, key = element.body, None
    if element.id == ebml.BLOCK_GROUP:
        found = dict(ebml.children(body))
        body = found.get(ebml.BLOCK, b"")
        key = ebml.REFERENCE_BLOCK not in found
    track = ebml.read_size(body, 0)
    if track is None or track[0] is None or len(body) < track[1] + 3:
        raise Malformed("A block is too short to contain a frame.")
    at = track[1]
    flags = body[at + 2]
    if flags & _LACING:
        raise Malformed("A block contains several frames.")
    return Block(
        track[0],
        int.from_bytes(body[at : at + 2], "big", signed=True),
        bool(flags & _KEY) if key is None else key,
        body[at + 3 :],
    )


def write_tags(tags: Mapping[str, str]) -> bytes:
    """Return a Tags element with one Tag."""
    simple = b"".join(
        ebml.element(
            ebml.SIMPLE_TAG,
            ebml.string(ebml.TAG_NAME, name) + ebml.string(ebml.TAG_STRING, value),
        )
        for name, value in tags.items()
    )
    return ebml.element(ebml.TAGS, ebml.element(ebml.TAG, simple))


def open_cluster(timestamp: int) -> bytes:
    """Return the beginning of a cluster of unknown size."""
    return ebml.endless(ebml.CLUSTER) + ebml.number(ebml.TIMESTAMP, timestamp)
