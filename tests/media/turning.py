"""Photos of a rotated camera, without the rotation in the file."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedex.vision.images import Image as Picture

Pixels = NDArray[np.uint8]

ANGLES = tuple(range(0, 360, 15))
FILLS = ((0, 0, 0), (128, 128, 128), (255, 255, 255))


def turned(pixels: Pixels, degrees: float, fill: tuple[int, int, int] = (0, 0, 0)) -> Pixels:
    """Return pixels rotated clockwise, on a canvas that contains all of them."""
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(pixels, -round(degrees / 90)))
    turn = Image.fromarray(pixels).rotate(
        -degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=fill
    )
    return np.asarray(turn)


def bring(points: NDArray[np.float32], pixels: Pixels, degrees: float) -> NDArray[np.float32]:
    """Return the positions after `turned` of points (n, 2) of the upright pixels."""
    rows, columns = pixels.shape[:2]
    height, width = turned(pixels, degrees).shape[:2]
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    centred = points - np.array([columns, rows]) / 2
    moved = centred @ np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray(moved + np.array([width, height]) / 2, dtype=np.float32)


def picture(pixels: Pixels) -> Picture:
    """Return pixels as the pack's image type."""
    return Picture(pixels, pixels.shape[1], pixels.shape[0])
