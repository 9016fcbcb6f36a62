"""How far a push is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """How far it is.

    Attributes:
        seconds: of video that were sent.
        fragments: that were sent, the one under way included.
        size: bytes that were sent.
        received, persisted: fragments that the service has acknowledged so.
        refused: fragments that it has refused.
        note: what is going on, if it is not going well.
    """

    seconds: float = 0.0
    fragments: int = 0
    size: int = 0
    received: int = 0
    persisted: int = 0
    refused: int = 0
    note: str = ""
