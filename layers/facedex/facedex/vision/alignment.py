"""Faces turned, scaled and cut to the chip that an embedder expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from facedex.vision import geometry

Floats = NDArray[np.float32]


def align(
    pixels: NDArray[np.uint8], landmarks: Floats, template: Floats, chip_size: int
) -> NDArray[np.uint8]:
    """Return one upright chip for each face: (n, chip_size, chip_size, 3) RGB.

    pixels: (rows, columns, 3); landmarks: (n, 5, 2) x y in these pixels; template: (5, 2) where
    the landmarks come to lie in the chip. What lies outside the picture is black.
    """
    chips = np.empty((len(landmarks), chip_size, chip_size, 3), dtype=np.uint8)
    if len(landmarks):
        to_picture = geometry.invert(geometry.similarity_transforms(landmarks, template))
        for chip, transform in zip(chips, to_picture, strict=True):
            chip[:] = np.asarray(_warp(pixels, transform, chip_size))
    return chips


def _warp(pixels: NDArray[np.uint8], transform: Floats, size: int) -> pillow.Image:
    """Sample the chip through a transform (2, 3) from chip to picture coordinates.

    Interpolation alone would skip pixels where the face is larger than the chip, so the face's
    surroundings are first averaged down by a whole factor.
    """
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
    factor = max(1, int(scale))
    if factor > 1:
        picture = picture.reduce(factor)
    moved = transform - np.array([[0, 0, left], [0, 0, top]], dtype=np.float32)
    return picture.transform(
        (size, size),
        pillow.Transform.AFFINE,
        tuple((moved / factor).ravel().tolist()),
        resample=pillow.Resampling.BICUBIC,
    )
