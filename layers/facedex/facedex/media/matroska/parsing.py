"""Incremental parser of a Matroska byte stream into elements, in bounded memory.

FFmpeg, which decodes the pictures, hides the tags of Kinesis and waits for the end of a cluster;
EBML libraries for Python need a seekable file. This module therefore separates the elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from facedex.media.matroska import ebml
from facedex.media.matroska.matroska_errors import Malformed, MatroskaError, TooLarge, Truncated

# Id of an artificial element that follows a cluster's last child.
CLUSTER_END: Final = 0

_MAGIC: Final = ebml.EBML.to_bytes(4, "big")
_TOP: Final = frozenset(
    {
        ebml.EBML,
        ebml.SEGMENT,
        ebml.SEEK_HEAD,
        ebml.INFO,
        ebml.TRACKS,
        ebml.TAGS,
        ebml.CLUSTER,
        ebml.CUES,
        ebml.CHAPTERS,
        ebml.ATTACHMENTS,
    }
)
_IN_CLUSTER: Final = frozenset(
    {
        ebml.TIMESTAMP,
        ebml.SILENT_TRACKS,
        ebml.POSITION,
        ebml.PREV_SIZE,
        ebml.SIMPLE_BLOCK,
        ebml.BLOCK_GROUP,
        ebml.ENCRYPTED_BLOCK,
    }
)
_ANYWHERE: Final = frozenset({ebml.VOID, ebml.CRC_32})
_BLOCKS: Final = frozenset({ebml.SIMPLE_BLOCK, ebml.BLOCK_GROUP})
# Elements that are returned, other than blocks; all others are skipped.
_RETURNED: Final = frozenset({ebml.EBML, ebml.INFO, ebml.TRACKS, ebml.TAGS, ebml.TIMESTAMP})
_LARGEST_HEADER: Final = 1 << 20  # bytes
_LARGEST_SKIPPED: Final = 64 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a stream.

    Attributes:
        id: EBML ID, or ``CLUSTER_END``.
        head: its ID and size as received.
        body: its content; empty for segments and clusters, whose children follow.
    """

    id: int
    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        """All bytes of the element."""
        return self.head + self.body


class Parser:
    """Parser of the elements of a stream.

    Of segments and clusters, which may be of unknown size, the head and then each child is
    returned. At most one element is in memory. After an error, parsing continues at the next EBML
    header.

    Attributes:
        lost: bytes discarded since the last element.
    """

    def __init__(self, *, largest: int = 16 << 20) -> None:
        """Create a parser for a stream that begins with an EBML header.

        Args:
            largest: maximum number of bytes of a block.
        """
        self.lost = 0
        self._largest = largest
        self._held = bytearray()
        self._skip = 0  # remaining bytes of a skipped element
        self._begun = False
        self._searching = False
        self._in_cluster = False
        self._left: int | None = None  # remaining bytes of the cluster, if its size is known

    def feed(self, data: bytes) -> Iterator[Element]:
        """Yield the elements that ``data`` completes.

        Raises:
            MatroskaError: if the next bytes cannot be parsed; call again to continue after them.
        """
        self._held += data
        while (found := self._next()) is not None:
            yield found

    def finish(self) -> None:
        """End the stream.

        Raises:
            Truncated: if the stream ends in the middle of an element.
        """
        if self._held or self._skip or self._left:
            self._held.clear()
            self._skip = 0
            self._left = None
            raise Truncated("The stream ends in the middle of an element.")

    def resume(self) -> None:
        """Discard the current element, and continue at the next EBML header."""
        self._searching = True
        self._skip = 0
        self._in_cluster = False
        self._left = None

    def _next(self) -> Element | None:
        while True:
            if not self._drop_unwanted():
                return None
            if self._in_cluster and self._left == 0:
                return self._end_cluster()
            try:
                head = self._read_head()
                if head is None:
                    return None
                name, size, length = head
                if self._in_cluster and name in _TOP:
                    # It stays in the buffer, as the end of the cluster comes first.
                    return self._end_cluster(early=True)
                self._check(name, size, length)
            except MatroskaError:
                self._give_up()
                raise
            if name in (ebml.SEGMENT, ebml.CLUSTER):
                opened = Element(name, self._consume(length), b"")
                self._in_cluster = name == ebml.CLUSTER
                self._left = size if self._in_cluster else None
                return opened
            assert size is not None
            if name not in _RETURNED | _BLOCKS:
                self._consume(length)
                self._skip = size
            elif len(self._held) < length + size:
                return None
            else:
                self._begun = True
                self.lost = 0
                return Element(name, self._consume(length), self._consume(size))

    def _drop_unwanted(self) -> bool:
        """Discard bytes to skip; return whether the next byte may begin an element."""
        if self._searching:
            found = self._held.find(_MAGIC)
            dropped = found if found >= 0 else max(0, len(self._held) - len(_MAGIC) + 1)
            del self._held[:dropped]
            self.lost += dropped
            self._searching = found < 0
        if self._skip:
            skipped = min(self._skip, len(self._held))
            self._consume(skipped)
            self._skip -= skipped
        return not self._searching and not self._skip

    def _read_head(self) -> tuple[int, int | None, int] | None:
        """Return ID, size and length of the next element's head, or None if it is incomplete."""
        name = ebml.read_id(self._held, 0)
        if name is None:
            return None
        if name[0] not in _TOP | _IN_CLUSTER | _ANYWHERE:
            raise Malformed(f"No element with the ID 0x{name[0]:X} is allowed here.")
        if not self._begun and name[0] != ebml.EBML:
            raise Malformed("The stream does not begin with an EBML header.")
        size = ebml.read_size(self._held, name[1])
        return (name[0], size[0], size[1]) if size else None

    def _check(self, name: int, size: int | None, length: int) -> None:
        if name in (ebml.SEGMENT, ebml.CLUSTER):
            return
        if name in _IN_CLUSTER and not self._in_cluster:
            raise Malformed("A block is outside of any cluster.")
        if size is None:
            raise Malformed("Only a segment or a cluster may be of unknown size.")
        if self._in_cluster and self._left is not None and length + size > self._left:
            raise Malformed("An element does not end where its cluster ends.")
        largest = _LARGEST_SKIPPED
        if name in _BLOCKS:
            largest = self._largest
        elif name in _RETURNED:
            largest = _LARGEST_HEADER
        if size > largest:
            raise TooLarge(f"An element declares {size} bytes; at most {largest} are allowed.")

    def _consume(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        if self._in_cluster and self._left is not None:
            self._left -= count
        return taken

    def _end_cluster(self, *, early: bool = False) -> Element:
        broken = early and self._left is not None
        self._in_cluster = False
        self._left = None
        if broken:
            raise Truncated("A cluster ends before the size that it declares.")
        return Element(CLUSTER_END, b"", b"")

    def _give_up(self) -> None:
        # A header that is itself malformed must not be found again.
        if self._held.startswith(_MAGIC) and not self._truncates():
            del self._held[: len(_MAGIC)]
            self.lost += len(_MAGIC)
        self.resume()
        return

    def _truncates(self) -> bool:
        """Return whether the next header is valid and therefore truncates the preceding element."""
        try:
            head = self._read_head()
        except MatroskaError:
            return False
        return head is None or (head[1] is not None and head[1] <= _LARGEST_HEADER)
