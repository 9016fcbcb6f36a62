"""Faces turned, scaled and cut to the chip that an embedder expects."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedex.vision import geometry

if TYPE_CHECKING:
    from PIL import Image as pillow

Floats = NDArray[np.float32]


class View(NamedTuple):
    """How a chip differs from the template's."""

    turn: float = 0.0  # degrees, clockwise about the chip's centre
    zoom: float = 1.0  # from the chip's centre


UPRIGHT = View()
MOST_ENLARGED = 16  # times: a face of ten pixels


def align(
    pixels: NDArray[np.uint8],
    landmarks: Floats,
    template: Floats,
    chip_size: int,
    view: View = UPRIGHT,
) -> NDArray[np.uint8]:
    """Return one chip for each face: (n, chip_size, chip_size, 3) RGB.

    pixels: (rows, columns, 3); landmarks: (n, 5, 2) x y in these pixels; template: (5, 2) where
    the landmarks come to lie in the upright chip. What lies outside the picture is black.
    """
    chips = np.empty((len(landmarks), chip_size, chip_size, 3), dtype=np.uint8)
    if len(landmarks):
        goal = change(template, chip_size, view)
        to_picture = geometry.invert(geometry.similarity_transforms(landmarks, goal))
        for chip, transform in zip(chips, to_picture, strict=True):
            chip[:] = np.asarray(_warp(pixels, transform, chip_size))
    return chips


def change(template: Floats, chip_size: int, view: View) -> Floats:
    """Return where the template's points (5, 2) lie in another view of the chip."""
    angle = np.radians(view.turn)
    sine, cosine = view.zoom * np.sin(angle), view.zoom * np.cos(angle)
    turned = (template - chip_size / 2) @ np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray(turned + chip_size / 2, dtype=np.float32)


def _warp(pixels: NDArray[np.uint8], transform: Floats, size: int) -> pillow.Image:
    """Sample the chip through a transform (2, 3) from chip to picture coordinates.

    Interpolation alone would skip pixels where the face is larger than the chip, so the face's
    surroundings are first averaged down by a whole factor. Where the face is smaller, they are
    first enlarged by one, with a filter that keeps more detail than the warp's own can.
    """
    # Imported here, so that functions without images never pay for it.
    from PIL import Image as pillow

    rows, columns = pixels.shape[:2]
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    corners = np.array([[[0, 0], [size, 0], [0, size], [size, size]]], dtype=np.float32)
    reach = geometry.apply(transform[None], corners)[0]
    left, top = (int(edge) for edge in np.floor(reach.min(axis=0) - 2 * scale - 2).clip(min=0))
    right, bottom = (int(e) for e in np.ceil(reach.max(axis=0) + 2 * scale + 2).clip(min=0))
    region = pixels[top : min(bottom, rows), left : min(right, columns)]
    if not region.size:
        return pillow.new("RGB", (size, size))
    picture = pillow.fromarray(region)
    factor = float(max(1, int(scale)))
    if factor > 1:
        picture = picture.reduce(int(factor))
    elif (times := min(round(1 / scale), MOST_ENLARGED)) > 1:
        factor = 1 / times
        enlarged = picture.width * times, picture.height * times
        picture = picture.resize(enlarged, pillow.Resampling.LANCZOS)
    moved = transform - np.array([[0, 0, left], [0, 0, top]], dtype=np.float32)
    return picture.transform(
        (size, size),
        pillow.Transform.AFFINE,
        tuple((moved / factor).ravel().tolist()),
        resample=pillow.Resampling.BICUBIC,
    )
