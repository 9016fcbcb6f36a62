"""Segments of films, and the grid of times at which frames are analysed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from facedex.media.films import Film
    from facedex.media.recordings import Recording

FOREVER: Final = 2**53  # ms; the end of a film's last segment, so that no late frame is excluded
LONGEST: Final = 4  # times the requested length; a longer segment is cut without a key frame


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a film: the frames displayed from ``start`` until before ``end``, ms."""

    number: int
    start: int
    end: int


class Grid:
    """A division of a film's time into equal cells, of which the first frame is analysed.

    The cells do not depend on the segments, and segments do not divide cells. The same frames are
    therefore analysed however the film is cut into segments.
    """

    def __init__(self, rate: float) -> None:
        """Create a grid.

        Args:
            rate: cells per second.

        Raises:
            ValueError: if the rate is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"The rate of analysed frames is {rate}; it must be above 0.")
        self._rate = Fraction(rate).limit_denominator(1000) / 1000  # cells per millisecond

    def cell(self, milliseconds: int) -> int:
        """Return the number of the cell that contains a time."""
        return milliseconds * self._rate.numerator // self._rate.denominator

    def start(self, cell: int) -> int:
        """Return the first full millisecond of a cell."""
        return math.ceil(cell / self._rate)

    def first_after(self, milliseconds: int) -> int:
        """Return the first millisecond of the first cell that begins at that time or later."""
        return self.start(math.ceil(milliseconds * self._rate))


def cut(film: Film, *, seconds: float, rate: float) -> list[Segment]:
    """Cut a film into segments.

    Each segment begins at the first cell of the grid after a key frame, so that decoding starts
    with that key frame. A file without a list of key frames, or with few, is cut by time only; some
    of its frames are then decoded twice. No segment belongs to two recordings, and a recording
    whose clock jumps is one segment.

    Args:
        film: the film.
        seconds: approximate length of a segment.
        rate: analysed frames per second.
    """
    length = max(1, round(1000 * seconds))
    grid = Grid(rate)
    starts = sorted(
        {place for each in film.recordings for place in _starts(film, each, length, grid)}
    )
    ends = [*starts[1:], FOREVER]
    return [Segment(n, *span) for n, span in enumerate(zip(starts, ends, strict=True))]


def _starts(film: Film, recording: Recording, length: int, grid: Grid) -> Iterator[int]:
    yield recording.start
    if not recording.steady:
        return
    # A segment shorter than half the length would not justify its overhead.
    last, end = recording.start, recording.start + recording.duration
    latest = end - length // 2
    key_frames = [each for each in film.key_frames if recording.start <= each < end]
    limit = LONGEST * length if key_frames else length
    for key_frame in [*key_frames, end]:
        while key_frame - last > limit and (place := grid.first_after(last + length)) < latest:
            yield place
            last = place
        place = grid.first_after(key_frame)
        if last + length <= place < latest:
            yield place
            last = place
