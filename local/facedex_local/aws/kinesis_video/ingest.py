"""Parsing of a producer's media into fragments, with PutMedia's limits and acknowledgements.

Each Matroska cluster is a fragment. Limits and error codes are those of PutMedia:
https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from facedex.media.matroska import contents, ebml
from facedex.media.matroska.matroska_errors import Malformed, MatroskaError, TooLarge
from facedex.media.matroska.parsing import CLUSTER_END, Element, Parser
from facedex_local.aws.kinesis_video.buffer import Buffer
from facedex_local.aws.kinesis_video.kinesis_video_errors import ProducerSuperseded, StreamClosed
from facedex_local.aws.kinesis_video.passages import Fragment

_MAX_SIZE: Final = 50 << 20  # bytes of a fragment
_MAX_LENGTH: Final = 10.0  # seconds of a fragment
_MAX_TRACKS: Final = 3
_LATEST: Final = 253_402_300_799  # the last second of the year 9999
# Prefix of tag names that are reserved for the service.
_RESERVED: Final = "AWS"


class Event(StrEnum):
    """The type of an acknowledgement."""

    BUFFERING = "BUFFERING"
    RECEIVED = "RECEIVED"
    PERSISTED = "PERSISTED"
    ERROR = "ERROR"
    IDLE = "IDLE"


class Fault(Enum):
    """Errors of PutMedia, by the service's names and codes."""

    STREAM_READ_ERROR = 4000
    MAX_FRAGMENT_SIZE_REACHED = 4001
    MAX_FRAGMENT_DURATION_REACHED = 4002
    FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS = 4004
    INVALID_MKV_DATA = 4006
    INVALID_PRODUCER_TIMESTAMP = 4007
    STREAM_NOT_ACTIVE = 4008
    TRACK_NUMBER_MISMATCH = 4010
    FRAMES_MISSING_FOR_TRACK = 4011
    MORE_THAN_ALLOWED_TRACKS_FOUND = 4012


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One line of PutMedia's response.

    Attributes:
        event: the type of the acknowledgement.
        timecode: the fragment's time by its producer's clock, in milliseconds.
        number: the fragment's number.
        fault: the error, if the event is ERROR.
    """

    event: Event
    timecode: int | None = None
    number: str = ""
    fault: Fault | None = None


class _Rejected(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


class Ingest:
    """A producer's session, from its first byte to its last.

    Args:
        buffer: the stream's buffer, which has admitted this session as its producer.
        began: time that the producer's timecodes are relative to, seconds since 1970; 0 if they
            are absolute.
        persists: whether the stream acknowledges fragments as persisted.

    Attributes:
        ended: whether the session has ended, with or without an error.
    """

    def __init__(self, buffer: Buffer, *, began: float, persists: bool) -> None:
        self.ended = False
        self._buffer = buffer
        self._began = began
        self._persists = persists
        self._parser = Parser()
        self._ebml = self._info = self._tracks = b""
        self._segments = 0
        self._numbers: frozenset[int] = frozenset()
        self._scale = contents.MILLISECOND
        self._tags: dict[str, str] = {}
        self._fragment: Fragment | None = None
        self._missing: set[int] = set()
        # Times in the time unit of the Matroska header: of the fragment, and of each track's
        # latest frame in earlier fragments and in all fragments.
        self._timestamp = -1
        self._before: dict[int, int] = {}
        self._latest: dict[int, int] = {}

    def feed(self, data: bytes) -> Iterator[Acknowledgement]:
        """Process data from the producer; an error ends the session."""
        yield from self._process(self._parser.feed(data))

    def finish(self) -> Iterator[Acknowledgement]:
        """End the session after the producer has completed its request."""
        if self.ended:
            return
        try:
            self._parser.finish()
        except MatroskaError:
            yield self._fail(Fault.INVALID_MKV_DATA)
            return
        # A cluster of unknown size ends with the request.
        yield from self._process(iter([Element(CLUSTER_END, b"", b"")]))
        self.ended = True

    def fail(self, fault: Fault) -> Iterator[Acknowledgement]:
        """End the session for a reason other than the media itself."""
        if not self.ended:
            yield self._fail(fault)

    def _process(self, elements: Iterator[Element]) -> Iterator[Acknowledgement]:
        if self.ended:
            return
        try:
            for element in elements:
                yield from self._read_element(element)
        except _Rejected as error:
            yield self._fail(error.fault)
        except TooLarge:
            yield self._fail(Fault.MAX_FRAGMENT_SIZE_REACHED)
        except MatroskaError:
            yield self._fail(Fault.INVALID_MKV_DATA)
        except StreamClosed:
            yield self._fail(Fault.STREAM_NOT_ACTIVE)
        except ProducerSuperseded:
            yield self._fail(Fault.STREAM_READ_ERROR)

    def _read_element(self, element: Element) -> Iterator[Acknowledgement]:
        match element.id:
            case ebml.EBML if not self._ebml:
                self._ebml = element.raw
            case ebml.SEGMENT if not self._segments:
                self._segments += 1
            case ebml.EBML | ebml.SEGMENT:
                raise Malformed("A request contains more than one segment.")
            case ebml.INFO:
                self._info, self._scale = element.raw, contents.read_scale(element.body)
            case ebml.TRACKS:
                self._read_tracks(element)
            case ebml.TAGS:
                tags = contents.read_tags(element.body)
                self._tags |= {
                    name: text for name, text in tags.items() if not name.startswith(_RESERVED)
                }
            case ebml.TIMESTAMP if self._fragment is None:
                yield self._begin(element)
            case ebml.SIMPLE_BLOCK | ebml.BLOCK_GROUP:
                self._add(element)
            case _ if element.id == CLUSTER_END:
                yield from self._finish_fragment()

    def _read_tracks(self, element: Element) -> None:
        tracks = contents.read_tracks(element.body)
        if len(tracks) > _MAX_TRACKS:
            raise _Rejected(Fault.MORE_THAN_ALLOWED_TRACKS_FOUND)
        self._tracks = element.raw
        self._numbers = frozenset(track.number for track in tracks)

    def _begin(self, element: Element) -> Acknowledgement:
        if not self._tracks:
            raise Malformed("A cluster precedes the tracks.")
        timestamp = ebml.unsigned(element.body)
        if timestamp <= self._timestamp:
            raise _Rejected(Fault.FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS)
        produced = self._began + timestamp * self._scale / 1e9
        if not 0 <= produced <= _LATEST:
            raise _Rejected(Fault.INVALID_PRODUCER_TIMESTAMP)
        self._fragment = self._buffer.begin(
            self,
            header=self._ebml + ebml.endless(ebml.SEGMENT) + self._info + self._tracks,
            tags=self._tags,
            timestamp=timestamp,
            producer_timestamp=produced,
        )
        self._tags = {}
        self._missing = set(self._numbers)
        self._timestamp = timestamp
        self._before = dict(self._latest)
        self._buffer.grow(self, self._fragment, element.raw, 0.0)
        return self._acknowledge(Event.BUFFERING)

    def _add(self, element: Element) -> None:
        fragment = self._fragment
        if fragment is None:
            raise Malformed("A cluster does not begin with its timestamp.")
        track, offset = _read_position(element)
        if track not in self._numbers:
            raise _Rejected(Fault.TRACK_NUMBER_MISMATCH)
        at = fragment.timestamp + offset
        if at <= self._before.get(track, -1):
            raise _Rejected(Fault.FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS)
        length = offset * self._scale / 1e9
        if length > _MAX_LENGTH:
            raise _Rejected(Fault.MAX_FRAGMENT_DURATION_REACHED)
        if fragment.size + len(element.raw) > _MAX_SIZE:
            raise _Rejected(Fault.MAX_FRAGMENT_SIZE_REACHED)
        self._missing.discard(track)
        self._latest[track] = max(self._latest.get(track, at), at)
        self._buffer.grow(self, fragment, element.raw, length)

    def _finish_fragment(self) -> Iterator[Acknowledgement]:
        if self._fragment is None:
            return
        if self._missing:
            raise _Rejected(Fault.FRAMES_MISSING_FOR_TRACK)
        self._buffer.finish(self._fragment)
        yield self._acknowledge(Event.RECEIVED)
        if self._persists:
            yield self._acknowledge(Event.PERSISTED)
        self._fragment = None

    def _acknowledge(self, event: Event, fault: Fault | None = None) -> Acknowledgement:
        if self._fragment is None:
            return Acknowledgement(event, fault=fault)
        timecode = self._fragment.timestamp * self._scale // 1_000_000
        return Acknowledgement(event, timecode, self._fragment.number, fault)

    def _fail(self, fault: Fault) -> Acknowledgement:
        self.ended = True
        return self._acknowledge(Event.ERROR, fault)


def _read_position(element: Element) -> tuple[int, int]:
    """Return a block's track and its time relative to its cluster."""
    body = element.body
    if element.id == ebml.BLOCK_GROUP:
        body = dict(ebml.children(body)).get(ebml.BLOCK, b"")
    track = ebml.read_size(body, 0)
    if track is None or track[0] is None or len(body) < track[1] + 3:
        raise Malformed("A block is too short for a frame.")
    return track[0], int.from_bytes(body[track[1] : track[1] + 2], "big", signed=True)
