"""Resizing of pictures in bands."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as pillow

from facedex.vision.resizing import resize


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((640, 480), (469, 352)),
        ((1920, 1080), (1251, 704)),
        ((4001, 3000), (311, 233)),
        ((3000, 4001), (900, 1201)),
        ((90, 100), (160, 178)),
        ((1, 2000), (1, 1000)),
    ],
    ids=str,
)
def test_bands_make_the_same_picture_as_pillow(
    size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    noise = np.random.default_rng(5)
    pixels = noise.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    kernel = pillow.Resampling.LANCZOS if wanted > size else pillow.Resampling.BILINEAR
    picture = pillow.fromarray(pixels)
    whole = picture.resize(wanted, kernel, reducing_gap=2.0)
    apart = abs(resize(picture, *wanted).astype(int) - np.asarray(whole))
    # Places are rounded once more.
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.001
