"""The frames of a numbered film that a search in segments analyses."""

from __future__ import annotations

import io

from facedex.media import films, frames, segments
from facedex.media.damage import Damage
from facedex.media.films import Film
from facedex.media.segments import Grid
from tests.media import making

RATE = 5
STEP = 5  # frames at 25 a second from one analysed frame to the next


def search(data: bytes, seconds: float = 1) -> tuple[Film, list[int], list[int]]:
    """Return a film, and the times and numbers of the frames that are analysed in segments."""
    film = films.probe(io.BytesIO(data))
    seen = [
        (at, making.number_of(image.pixels))
        for piece in segments.cut(film, seconds=seconds, rate=RATE)
        for at, image in frames.sample(io.BytesIO(data), piece, Grid(RATE), film.recordings)
    ]
    return film, [at for at, _ in seen], [number for _, number in seen]


def assert_searched(numbers: list[int], count: int, first: int = 0) -> None:
    """Check that no stretch of a film's frames is missing."""
    for start in range(first, first + count - 2 * STEP, STEP):
        assert any(start <= number < start + 2 * STEP for number in numbers), (start, numbers)


def damage_of(data: bytes) -> int:
    """Return the number of frames that a search in segments cannot decode."""
    film, damage = films.probe(io.BytesIO(data)), Damage()
    for piece in segments.cut(film, seconds=1, rate=RATE):
        list(frames.sample(io.BytesIO(data), piece, Grid(RATE), film.recordings, damage))
    return damage.frames
