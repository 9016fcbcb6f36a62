"""Counting of the frames of a film that cannot be decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from facedex.media.clocks import Clock
    from facedex.media.segments import Grid, Segment

# Some codecs have packets without a picture of their own, so a few cells without one are no damage.
FEW: Final = 2
FEW_SHARE: Final = 10  # a tenth of the cells


@dataclass(slots=True)
class Damage:
    """What could not be decoded of a segment.

    Attributes:
        frames: number of frames that could not be decoded.
    """

    frames: int = 0


class Watch:
    """A comparison of the packets of a segment with the pictures that came out of the decoder."""

    def __init__(self, damage: Damage, clock: Clock, segment: Segment, grid: Grid) -> None:
        """Begin before the first packet; the result is in ``damage`` after ``end``."""
        self._damage, self._clock = damage, clock
        self._segment, self._grid = segment, grid
        self._expected: set[int] = set()  # cells
        self._seen: set[int] = set()

    def fail(self, packet: Packet[VideoStream]) -> None:
        """Note a packet that could not be decoded or is incomplete."""
        at = self._time(packet)
        if at is not None:
            self._damage.frames += 1
            self._seen.add(self._grid.cell(at))

    def interrupt(self) -> None:
        """Note that reading failed."""
        self._damage.frames += 1

    def expect(self, packet: Packet[VideoStream]) -> None:
        """Note a packet whose picture is the first of its cell."""
        at = self._time(packet)
        if at is not None and packet.size and not packet.is_discard:
            self._expected.add(self._grid.cell(at))

    def see(self, cell: int) -> None:
        """Note a cell whose first picture was decoded."""
        self._seen.add(cell)

    def end(self) -> None:
        """Count the cells without a picture, if there are more than a few."""
        without = len(self._expected - self._seen)
        if without > max(FEW, len(self._expected) // FEW_SHARE):
            self._damage.frames += without

    def _time(self, packet: Packet[VideoStream]) -> int | None:
        """Return when a packet is shown, in ms; None if that is not in the segment."""
        time = packet.pts if packet.pts is not None else packet.dts
        at = self._segment.start if time is None else self._clock.milliseconds(time)
        return at if self._segment.start <= at < self._segment.end else None
