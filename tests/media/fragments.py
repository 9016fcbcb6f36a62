"""Reader of the complete fragments of a GetMedia response.

The product reads fragments while they arrive (``facedex.media.matroska.live``). This second reader
is the reference to which tests compare the product and the media that are sent.

Each fragment is a separate Matroska document: a header, tags with its number and times, one
cluster, and then tags with the delay to live and the token to continue reading. See "Payload" at
https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html.
"""

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
    TooLarge,
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

LARGEST: Final = 50 << 20  # bytes; maximum size of a fragment in Kinesis Video Streams
# Bytes without a readable element after which reading stops.
_PATIENCE: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment that can be decoded independently.

    Attributes:
        number: the service's fragment number; empty in a file from another source.
        server_timestamp, producer_timestamp: seconds since 1970.
        millis_behind_now: milliseconds from it to the newest fragment of the stream.
        continuation_token: token to continue reading after it; None if it is incomplete.
        tags: all tags, the service's and the producer's.
        tracks: its tracks.
        scale: nanoseconds in its unit of time.
        timestamp: its time by its own clock, in that unit.
        data: the fragment as a small Matroska file.
    """

    number: str
    server_timestamp: float | None
    producer_timestamp: float | None
    millis_behind_now: int | None
    continuation_token: str | None
    tags: dict[str, str]
    tracks: tuple[Track, ...]
    scale: int
    timestamp: int
    data: bytes = field(repr=False)


def read_fragments(
    chunks: Iterable[bytes],
    *,
    largest: int = LARGEST,
    damaged: Callable[[MatroskaError], None] | None = None,
) -> Iterator[Fragment]:
    """Yield the complete fragments of a stream, each as soon as its last tags have arrived.

    Memory holds one fragment, and twice its bytes while it is put together.
    Damaged parts are skipped, and reading continues at the next header.

    Args:
        chunks: the bytes of the stream, in pieces of any size.
        largest: maximum number of bytes of a fragment.
        damaged: called with the error of each skipped part.

    Raises:
        StreamFailed: if the service ended the stream with an error.
        NotMatroska: if several megabytes contained no readable element.
    """
    report = damaged or (lambda _error: None)
    parser = Parser()
    assembly = _Assembly(largest)
    for chunk in chunks:
        pending = chunk
        while True:
            try:
                for element in parser.feed(pending):
                    if (done := assembly.add(element)) is not None:
                        yield done
                break
            except StreamFailed:
                raise
            except MatroskaError as error:
                report(error)
                assembly = _Assembly(largest)
                parser.resume()
                pending = b""
        if parser.lost > _PATIENCE:
            raise NotMatroska(f"{parser.lost} bytes held nothing that could be read as Matroska.")
    try:
        parser.finish()
        if (done := assembly.finish()) is not None:
            yield done
    except Truncated as error:
        report(error)


class _Assembly:
    """A fragment under construction."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._header = b""
        self._info = b""
        self._tracks: tuple[Track, ...] = ()
        self._tracks_raw = b""
        self._scale = contents.MILLISECOND
        self._restart()

    def _restart(self) -> None:
        self._tags: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._timestamp: int | None = None
        self._ended = False

    def add(self, element: Element) -> Fragment | None:
        """Add the next element; return the fragment that it completes, if any."""
        match element.id:
            case ebml.EBML:
                done = self._release()
                self._header, self._info, self._tracks_raw = element.raw, b"", b""
                self._tracks, self._scale = (), contents.MILLISECOND
                return done
            case ebml.INFO:
                self._info, self._scale = element.raw, contents.read_scale(element.body)
            case ebml.TRACKS:
                self._tracks_raw = element.raw
                self._tracks = contents.read_tracks(element.body)
            case ebml.TAGS:
                return self._tag(contents.read_tags(element.body))
            case ebml.CLUSTER:
                return self._release()
            case ebml.TIMESTAMP:
                self._timestamp = ebml.unsigned(element.body)
                self._hold(element.raw)
            case ebml.SIMPLE_BLOCK | ebml.BLOCK_GROUP:
                if self._timestamp is None:
                    raise Malformed("A cluster does not begin with its time.")
                self._hold(element.raw)
            case _ if element.id == CLUSTER_END:
                self._ended = True
        return None

    def finish(self) -> Fragment | None:
        """Return the last fragment, at the end of the stream.

        Raises:
            Truncated: if the service's tags after it are missing.
        """
        if self._pieces and NUMBER in self._tags and CONTINUATION_TOKEN not in self._tags:
            raise Truncated(f"Fragment {self._tags[NUMBER]} is broken off.")
        return self._release()

    def _tag(self, tags: dict[str, str]) -> Fragment | None:
        if ERROR_CODE in tags:
            number = tags.get(ERROR_ID, "")
            raise StreamFailed(tags[ERROR_CODE], int(number) if number.isdecimal() else 0)
        self._tags |= tags
        return self._release() if self._ended and CONTINUATION_TOKEN in tags else None

    def _hold(self, raw: bytes) -> None:
        self._size += len(raw)
        if self._size > self._largest:
            raise TooLarge(f"A fragment has more than {self._largest} bytes.")
        self._pieces.append(raw)

    def _release(self) -> Fragment | None:
        if self._timestamp is None:
            return None  # tags of the cluster that begins now are kept
        tags = self._tags
        behind = tags.get(MILLIS_BEHIND_NOW, "")
        opening = ebml.endless(ebml.SEGMENT) + self._info + self._tracks_raw
        done = Fragment(
            number=tags.get(NUMBER, ""),
            server_timestamp=seconds(tags.get(SERVER_TIMESTAMP)),
            producer_timestamp=seconds(tags.get(PRODUCER_TIMESTAMP)),
            millis_behind_now=int(behind) if behind.isdecimal() else None,
            continuation_token=tags.get(CONTINUATION_TOKEN),
            tags=tags,
            tracks=self._tracks,
            scale=self._scale,
            timestamp=self._timestamp,
            data=b"".join((self._header, opening, ebml.endless(ebml.CLUSTER), *self._pieces)),
        )
        self._restart()
        return done
