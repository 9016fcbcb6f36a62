"""The progress of a push."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Counts of a push, and its current problem.

    Attributes:
        seconds: length of the video sent.
        fragments: number of fragments sent, including the current one.
        size: bytes sent.
        received: number of fragments that the service has acknowledged as received.
        persisted: number of fragments that the service has acknowledged as persisted.
        refused: number of fragments that the service has rejected.
        note: the current problem, or empty.
    """

    seconds: float = 0.0
    fragments: int = 0
    size: int = 0
    received: int = 0
    persisted: int = 0
    refused: int = 0
    note: str = ""
