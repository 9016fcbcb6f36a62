"""Segments of films, and the grid of moments at which frames are searched."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from facedex.media.films import Film

FOREVER: Final = 2**53  # ms; the end of a film's last segment, so that no late frame is excluded
LONGEST: Final = 4  # times the requested length: a longer segment is cut without a key frame


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a film: the frames shown from ``start`` on and before ``end``, in milliseconds."""

    number: int
    start: int
    end: int


class Grid:
    """Film time in equal cells; the first frame of each is searched.

    The cells do not depend on how a film is cut, and segments are whole cells: so the same frames
    are searched however it is cut.
    """

    def __init__(self, rate: float) -> None:
        """Take the cells per second; raise ValueError unless above 0."""
        if not rate > 0:
            raise ValueError(f"A film must be searched more than {rate} times a second.")
        self._rate = Fraction(rate).limit_denominator(1000) / 1000  # cells per millisecond

    def cell(self, milliseconds: int) -> int:
        """Return the number of the cell that a moment lies in."""
        return milliseconds * self._rate.numerator // self._rate.denominator

    def start(self, cell: int) -> int:
        """Return the first whole millisecond of a cell."""
        return math.ceil(cell / self._rate)

    def first_after(self, milliseconds: int) -> int:
        """Return the first millisecond of the first cell that begins then or later."""
        return self.start(math.ceil(milliseconds * self._rate))


def cut(film: Film, *, seconds: float, rate: float) -> list[Segment]:
    """Cut a film into segments of about so many seconds, to be searched ``rate`` times a second.

    Each begins at the first cell of the grid after a key frame, so that decoding starts with that
    key frame. A file without a list of key frames, or with rare ones, is cut by time only, so that
    some frames are decoded twice.
    """
    length = max(1, round(1000 * seconds))
    grid = Grid(rate)
    borders = list(_borders(film, length, grid))
    starts, ends = [0, *borders], [*borders, FOREVER]
    return [Segment(n, *span) for n, span in enumerate(zip(starts, ends, strict=True))]


def _borders(film: Film, length: int, grid: Grid) -> Iterator[int]:
    # A segment of less than half the length is not worth its overhead.
    last = 0
    latest = film.duration - length // 2
    for key_frame in [*film.key_frames, film.duration]:
        limit = LONGEST * length if film.key_frames else length
        while key_frame - last > limit and (place := grid.first_after(last + length)) < latest:
            yield place
            last = place
        place = grid.first_after(key_frame)
        if last + length <= place < latest:
            yield place
            last = place
