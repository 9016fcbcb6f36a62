"""Selection of the frames of a live stream to analyse, robust against its producer's clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

# Seconds between two frames beyond which the clock has jumped, or the stream has restarted.
JUMP: Final = 10.0
# ms by which a frame may be early: most streams round times to milliseconds.
EARLY: Final = 5.0
STANDSTILL: Final = 30  # consecutive frames with the same time after which the clock has stopped


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a frame to analyse.

    Attributes:
        timestamp: milliseconds of a clock that never goes back.
        jumped: whether the stream's own clock has jumped since the previous frame.
    """

    timestamp: int
    jumped: bool


class Pace:
    """Selector of the first frame in each interval of ``1 / rate`` seconds."""

    def __init__(self, rate: float) -> None:
        """Create a selector.

        Args:
            rate: intervals per second.

        Raises:
            ValueError: if the rate is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"The rate of analysed frames is {rate}; it must be above 0.")
        self._part = 1000 / rate
        self._before: float | None = None
        self._clock = self._anchor = 0.0  # ms
        self._cell = -1
        self._still = 0
        self._jumped = False

    def choose(self, at: float) -> Moment | None:
        """Return the moment if the frame at that time, in seconds, is to be analysed, or None."""
        step = 0.0 if self._before is None else at - self._before
        self._before = at
        self._still = self._still + 1 if step == 0 else 0
        if not 0 <= step <= JUMP or self._still > STANDSTILL:
            self._still = 0
            self._jumped = True
            self._clock += self._part
            self._anchor, self._cell = self._clock, -1
        else:
            self._clock += 1000 * step
        cell = math.floor((self._clock - self._anchor + EARLY) / self._part)
        if cell <= self._cell:
            return None
        jumped, self._jumped, self._cell = self._jumped, False, cell
        return Moment(round(self._clock), jumped)
