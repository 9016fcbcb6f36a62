"""Fragments in a stream's memory, start selectors of readers, and the passages that they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class State(Enum):
    """The state of a fragment."""

    GROWING = auto()
    COMPLETE = auto()
    BROKEN = auto()


@dataclass(slots=True, eq=False)
class Fragment:
    """A fragment in memory.

    Attributes:
        number: digits; later fragments have greater numbers.
        server_timestamp: start of the fragment by the server's clock, seconds since 1970.
        producer_timestamp: start of the fragment by the producer's clock, seconds since 1970.
        header: the elements before the fragment's cluster in a Matroska file.
        tags: the producer's tags.
        timestamp: the cluster's time, in the time unit of the producer's Matroska header.
        pieces: the elements of the cluster.
        size: memory used, in bytes.
        length: seconds from the first frame to the last.
        received: time at which the last piece arrived, seconds since 1970.
        state: the state of the fragment.
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
    received: float = 0.0
    state: State = State.GROWING


class Selector(Enum):
    """The position at which reading starts, by AWS's names."""

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
        selector: the kind of position.
        number: the fragment after which reading starts, for FRAGMENT_NUMBER and
            CONTINUATION_TOKEN.
        timestamp: seconds since 1970, for SERVER_TIMESTAMP and PRODUCER_TIMESTAMP.
    """

    selector: Selector
    number: str = ""
    timestamp: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of one fragment, as a reader receives it.

    Attributes:
        fragment: the fragment.
        pieces: elements of the fragment's cluster.
        begins: whether the pieces are the fragment's first.
        ends: whether the pieces are the fragment's last and the fragment is complete.
        millis_behind: milliseconds from this fragment to the newest one, by the server's clock;
            set only if ``ends``.
    """

    fragment: Fragment
    pieces: tuple[bytes, ...]
    begins: bool
    ends: bool
    millis_behind: int = 0
