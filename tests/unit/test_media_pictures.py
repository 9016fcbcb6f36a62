"""The pictures of a film have the shape and the colours that players show."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from facedex.media import frames
from facedex.media.damage import Damage
from facedex.media.segments import FOREVER, Grid, Segment
from facedex.vision.images import Image
from tests.media import making

WHOLE = Segment(0, 0, FOREVER)


def shown(data: bytes) -> tuple[list[Image], int]:
    """Return the analysed frames, and the number of those that could not be."""
    damage = Damage()
    found = [image for _, image in frames.sample(io.BytesIO(data), WHOLE, Grid(5), (), damage)]
    return found, damage.frames


def test_pixels_are_as_wide_as_the_file_states() -> None:
    data = making.stretched(making.film([0, 200]), Fraction(2, 1))
    with av.open(io.BytesIO(data), "r") as container:
        assert container.streams.video[0].codec_context.sample_aspect_ratio is None
    images, _ = shown(data)
    assert [image.pixels.shape for image in images] == [(240, 640, 3)] * 2


@pytest.mark.parametrize("colours", ["YCgCo", "bt2020c", "smpte2085", "chroma-derived-nc", "ICtCp"])
def test_films_in_colours_that_cannot_be_converted_are_analysed(colours: str) -> None:
    options = {"x264-params": f"colormatrix={colours}"}
    images, lost = shown(making.film(making.steady(25), codec_options=options))
    assert [making.number_of(image.pixels) for image in images] == [0, 5, 10, 15, 20]
    assert lost == 0
    expected = making.numbered()(0)
    assert np.abs(images[0].pixels.astype(int) - expected.astype(int)).mean() < 12
