"""Films are read in parts, and reading their properties fetches only a small part."""

from __future__ import annotations

import io

import numpy as np
import pytest

from facedex.media import films
from facedex.media.ranges import BLOCK, RangedFile
from tests.media import making

NOISE = np.random.default_rng(7).integers(0, 256, size=1_000_003, dtype=np.uint8).tobytes()


def ranged(data: bytes, **options: int) -> RangedFile:
    return RangedFile(len(data), lambda start, end: data[start:end], **options)


def test_any_part_of_the_file_is_read_unchanged() -> None:
    file = io.BufferedReader(ranged(NOISE, kept=2 * BLOCK), 1)
    for place in (0, 999_990, 5, BLOCK - 3, 3 * BLOCK + 1, 0, 1_000_002, 1_000_003, 2_000_000):
        file.seek(place)
        assert file.read(100) == NOISE[place : place + 100]


def test_reading_from_end_to_end_fetches_every_byte_once_in_few_requests() -> None:
    file = ranged(NOISE)
    assert file.read() == NOISE
    assert file.fetched == len(NOISE)
    assert file.requests <= 5


def test_errors_of_the_fetch_reach_the_reader() -> None:
    def fail(start: int, end: int) -> bytes:
        raise ConnectionError("The bucket is gone.")

    with pytest.raises(ConnectionError, match="bucket"):
        films.probe(RangedFile(1000, fail))


def test_an_object_that_became_shorter_is_detected() -> None:
    with pytest.raises(EOFError, match="were received"):
        RangedFile(1000, lambda *_: b"short").read(10)


def noisy(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    drawn = np.random.default_rng(number)
    return drawn.integers(0, 256, size=(240, 320, 3), dtype=np.uint8)


@pytest.mark.parametrize("movflags", ["", "faststart"])
def test_probing_reads_a_small_part_wherever_the_index_lies(movflags: str) -> None:
    data = making.film(
        making.steady(150),
        noisy,
        codec_options={"g": "25", "preset": "ultrafast", "crf": "10"},
        container_options={"movflags": movflags} if movflags else {},
    )
    assert len(data) > 8_000_000
    kinds = [kind for kind, *_ in making.boxes(data)]
    assert (kinds.index("moov") < kinds.index("mdat")) == bool(movflags)
    file = ranged(data)
    assert films.probe(file).duration == 6000
    assert file.fetched < len(data) / 10
    assert file.requests < 12
