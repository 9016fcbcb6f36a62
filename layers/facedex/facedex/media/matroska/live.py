"""Events of a GetMedia response as they arrive: frames are available before their fragment ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from facedex.media.matroska import contents, ebml
from facedex.media.matroska.contents import Track
from facedex.media.matroska.matroska_errors import (
    Malformed,
    MatroskaError,
    NotMatroska,
    StreamFailed,
    Truncated,
)
from facedex.media.matroska.parsing import CLUSTER_END, Element, Parser
from facedex.media.matroska.tags import (
    CONTINUATION_TOKEN,
    ERROR_CODE,
    ERROR_ID,
    MILLIS_BEHIND_NOW,
    NUMBER,
    PRODUCER_TIMESTAMP,
    SERVER_TIMESTAMP,
    seconds,
)

# Bytes without a readable element after which reading stops.
_PATIENCE: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Opening:
    """A fragment begins.

    Attributes:
        number: the service's fragment number; empty in a file from another source.
        server_timestamp, producer_timestamp: seconds since 1970.
        tracks: its tracks.
        began: its start, in seconds of the stream's own clock.
    """

    number: str
    server_timestamp: float | None
    producer_timestamp: float | None
    tracks: tuple[Track, ...]
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Coded:
    """A frame of the latest fragment.

    Attributes:
        track: number of its track.
        offset: seconds since the fragment's beginning.
        key: whether it is a key frame.
        data: the encoded frame.
    """

    track: int
    offset: float
    key: bool
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ending:
    """The latest fragment is complete.

    Attributes:
        number: number of the fragment.
        millis_behind_now: milliseconds between it and the newest fragment of the stream.
        continuation_token: token to continue reading after it.
    """

    number: str
    millis_behind_now: int | None
    continuation_token: str | None


Event = Opening | Coded | Ending


def read_live(
    chunks: Iterable[bytes], *, damaged: Callable[[MatroskaError], None] | None = None
) -> Iterator[Event]:
    """Yield the events of a stream, each as soon as its last byte has arrived.

    At most one element is in memory. Damaged parts are skipped, and reading continues at the next
    header; a fragment without an Ending is incomplete.

    Args:
        chunks: the bytes of the stream, in pieces of any size.
        damaged: called with the error of each skipped part.

    Raises:
        StreamFailed: if the service ended the stream with an error.
        NotMatroska: if several megabytes contained no readable element.
    """
    report = damaged or (lambda _error: None)
    parser = Parser()
    state = _State()
    for chunk in chunks:
        pending = chunk
        while True:
            try:
                for element in parser.feed(pending):
                    if (event := state.apply(element)) is not None:
                        yield event
                break
            except StreamFailed:
                raise
            except MatroskaError as error:
                report(error)
                state = _State()
                parser.resume()
                pending = b""
        if parser.lost > _PATIENCE:
            raise NotMatroska(f"{parser.lost} bytes contained no readable Matroska element.")
    try:
        parser.finish()
    except Truncated as error:
        report(error)


class _State:
    """The state of the current fragment."""

    def __init__(self) -> None:
        self._tracks: tuple[Track, ...] = ()
        self._scale = contents.MILLISECOND
        self._tags: dict[str, str] = {}
        self._opened = self._ended = False

    def apply(self, element: Element) -> Event | None:
        match element.id:
            case ebml.EBML:
                self._tracks, self._scale, self._tags = (), contents.MILLISECOND, {}
                self._opened = self._ended = False
            case ebml.INFO:
                self._scale = contents.read_scale(element.body)
            case ebml.TRACKS:
                self._tracks = contents.read_tracks(element.body)
            case ebml.TAGS:
                return self._tag(contents.read_tags(element.body))
            case ebml.CLUSTER:
                self._opened = self._ended = False
            case ebml.TIMESTAMP:
                return self._open(ebml.unsigned(element.body))
            case ebml.SIMPLE_BLOCK | ebml.BLOCK_GROUP:
                return self._read(element)
            case _ if element.id == CLUSTER_END:
                self._ended = True
        return None

    def _open(self, timestamp: int) -> Opening:
        self._opened = True
        tags = self._tags
        return Opening(
            tags.get(NUMBER, ""),
            seconds(tags.get(SERVER_TIMESTAMP)),
            seconds(tags.get(PRODUCER_TIMESTAMP)),
            self._tracks,
            timestamp * self._scale / 1e9,
        )

    def _read(self, element: Element) -> Coded:
        if not self._opened:
            raise Malformed("A cluster does not begin with its timestamp.")
        block = contents.read_block(element)
        return Coded(block.track, block.offset * self._scale / 1e9, block.key, block.data)

    def _tag(self, tags: dict[str, str]) -> Ending | None:
        if ERROR_CODE in tags:
            number = tags.get(ERROR_ID, "")
            raise StreamFailed(tags[ERROR_CODE], int(number) if number.isdecimal() else 0)
        self._tags |= tags
        if not self._ended or CONTINUATION_TOKEN not in tags:
            return None
        behind = self._tags.get(MILLIS_BEHIND_NOW, "")
        ending = Ending(
            self._tags.get(NUMBER, ""),
            int(behind) if behind.isdecimal() else None,
            tags[CONTINUATION_TOKEN],
        )
        self._tags, self._ended = {}, False
        return ending
