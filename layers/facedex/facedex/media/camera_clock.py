"""Conversion between the clock of a camera and this machine's."""

from __future__ import annotations

import math
from typing import Final

# Seconds after which a difference of the clocks is forgotten, as they may run at different speeds.
_WINDOW: Final = 60.0
# Speed of the times of a fragment that begins too late, until they are right again.
_CATCHING_UP: Final = 0.5


class CameraClock:
    """Conversion of a camera's times to this machine's, which go back only if the camera's do.

    A picture may be read late, but not before it was taken. The difference of the two clocks is
    therefore the smallest that was seen lately, however late the current fragment is read.
    """

    def __init__(self) -> None:
        """Create a clock."""
        self._smallest = self._smallest_before = math.inf  # of this window and the one before
        self._since: float | None = None  # the camera's time at which this window began
        self._first = 0.0  # the fragment's beginning by the camera's clock
        self._began = self._latest = -math.inf  # by this machine's: that, and the latest picture
        self._late = 0.0  # seconds by which the fragment's beginning is later than it should be

    def restart(self) -> None:
        """Forget the difference of the clocks, because the camera's has jumped."""
        self._smallest = self._smallest_before = math.inf
        self._since = None
        self._began = -math.inf

    def note(self, at: float, now: float) -> None:
        """Note that a packet has been read.

        Args:
            at: its time in seconds by the camera's clock.
            now: the time in seconds since 1970.
        """
        if self._since is None or at - self._since >= _WINDOW:
            self._smallest_before, self._smallest = self._smallest, math.inf
            self._since = at
        self._smallest = min(self._smallest, now - at)

    def open(self, at: float) -> float:
        """Begin a fragment and return its time, in seconds since 1970.

        Args:
            at: the time of its first packet, which has been noted.
        """
        right = at + min(self._smallest, self._smallest_before)
        # Pictures that were taken later than others come after them, whatever is known by now.
        began = max(right, self._latest, self._began + self._elapsed(at))
        self._first, self._began, self._late = at, began, began - right
        self._latest = began
        return began

    def offset(self, at: float) -> float:
        """Return how long after its fragment's beginning a picture was taken, in seconds.

        Args:
            at: its time by the camera's clock.
        """
        offset = self._elapsed(at)
        self._latest = max(self._latest, self._began + offset)
        return offset

    def _elapsed(self, at: float) -> float:
        elapsed = max(0.0, at - self._first)
        return max(elapsed - self._late, elapsed * _CATCHING_UP)
