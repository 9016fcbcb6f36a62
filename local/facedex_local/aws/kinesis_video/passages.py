"""What a stream's memory holds and what its readers ask for and get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class State(Enum):
    """How far a fragment is."""

    GROWING = auto()
    WHOLE = auto()
    BROKEN = auto()


@dataclass(slots=True, eq=False)
class Fragment:
    """A fragment as it is held.

    Attributes:
        number: digits; a later fragment's is greater.
        server_timestamp, producer_timestamp: seconds since 1970, of its beginning.
        header: what comes before its cluster in a Matroska file.
        tags: its producer's.
        timestamp: its time, in its own unit.
        pieces: elements of its cluster.
        size: bytes held for it.
        length: seconds from its first frame to its last.
        heard: seconds since 1970 when the last piece came.
    """

    number: str
    server_timestamp: float
    producer_timestamp: float
    header: bytes = field(repr=False)
    tags: Mapping[str, str]
    timestamp: int
    pieces: list[bytes] = field(default_factory=list, repr=False)
    size: int = 0
    length: float = 0.0
    heard: float = 0.0
    state: State = State.GROWING


class Selector(Enum):
    """Where reading starts; AWS's names."""

    NOW = "NOW"
    EARLIEST = "EARLIEST"
    FRAGMENT_NUMBER = "FRAGMENT_NUMBER"
    CONTINUATION_TOKEN = "CONTINUATION_TOKEN"  # noqa: S105  not a secret
    SERVER_TIMESTAMP = "SERVER_TIMESTAMP"
    PRODUCER_TIMESTAMP = "PRODUCER_TIMESTAMP"


@dataclass(frozen=True, slots=True)
class Start:
    """A start selector.

    Attributes:
        number: the fragment behind which reading starts, for the two selectors that name one.
        timestamp: seconds since 1970, for the other two that need something.
    """

    selector: Selector
    number: str = ""
    timestamp: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """What a reader gets at once, of one fragment.

    Attributes:
        begins: whether these are its first pieces.
        ends: whether these are its last, and it is whole.
        millis_behind: from it to the newest fragment, by the server's clock; where it ends.
    """

    fragment: Fragment
    pieces: tuple[bytes, ...]
    begins: bool
    ends: bool
    millis_behind: int = 0
