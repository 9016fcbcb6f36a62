"""Alignment of faces: rotating, scaling and cropping to the chip that an embedder expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedex.vision import geometry

if TYPE_CHECKING:
    from PIL import Image as pillow

Floats = NDArray[np.float32]


class View(NamedTuple):
    """A variation of the template's chip.

    Attributes:
        turn: rotation in degrees, clockwise about the chip's centre.
        zoom: enlargement about the chip's centre.
        mirrored: whether left and right are exchanged, after rotation and enlargement.
    """

    turn: float = 0.0
    zoom: float = 1.0
    mirrored: bool = False


UPRIGHT = View()
MOST_ENLARGED = 16  # factor, reached by a face of ten pixels


def align(
    pixels: NDArray[np.uint8],
    landmarks: Floats,
    template: Floats,
    chip_size: int,
    view: View = UPRIGHT,
) -> NDArray[np.uint8]:
    """Return one chip for each face: (n, chip_size, chip_size, 3) RGB.

    Areas outside the image are black.

    Args:
        pixels: (rows, columns, 3) RGB.
        landmarks: (n, 5, 2) x y in these pixels.
        template: (5, 2) x y of the landmarks in the upright chip.
        chip_size: side of the chip in pixels.
        view: the variation of the chip.
    """
    chips: NDArray[np.uint8] = cut(pixels, landmarks, template, chip_size, (view,))[:, 0]
    return chips


def cut(
    pixels: NDArray[np.uint8],
    landmarks: Floats,
    template: Floats,
    chip_size: int,
    views: Sequence[View],
) -> NDArray[np.uint8]:
    """Return the chips of each face in several views: (n, views, chip_size, chip_size, 3) RGB.

    The result is that of `align` for each view, but work that the views share is done once.

    Args:
        pixels: (rows, columns, 3) RGB.
        landmarks: (n, 5, 2) x y in these pixels.
        template: (5, 2) x y of the landmarks in the upright chip.
        chip_size: side of the chip in pixels.
        views: the variations of the chip.
    """
    chips = np.empty((len(landmarks), len(views), chip_size, chip_size, 3), dtype=np.uint8)
    if not len(landmarks):
        return chips
    to_picture = [
        geometry.invert(
            geometry.similarity_transforms(landmarks, change(template, chip_size, view))
        )
        for view in views
    ]
    for face in range(len(landmarks)):
        transforms = np.stack([transform[face] for transform in to_picture])
        for index, (view, picture) in enumerate(
            zip(views, _warp(pixels, transforms, chip_size), strict=True)
        ):
            chip = np.asarray(picture)
            chips[face, index] = chip[:, ::-1] if view.mirrored else chip
    return chips


def change(template: Floats, chip_size: int, view: View) -> Floats:
    """Return the template's points (5, 2) in another view of the chip."""
    angle = np.radians(view.turn)
    sine, cosine = view.zoom * np.sin(angle), view.zoom * np.cos(angle)
    turned = (template - chip_size / 2) @ np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray(turned + chip_size / 2, dtype=np.float32)


def _warp(pixels: NDArray[np.uint8], transforms: Floats, size: int) -> Iterator[pillow.Image]:
    """Sample a face's chips through transforms (n, 2, 3) from chip to image coordinates.

    If the face is larger than the chip, interpolation alone would skip pixels, so the region of the
    face is first reduced by averaging, by an integer factor. If the face is smaller, the region is
    first enlarged by an integer factor, with a filter that preserves more detail than the affine
    transform's own; bilinear interpolation is then sufficient.
    """
    # Imported here, so that functions without images do not load it.
    from PIL import Image as pillow

    rows, columns = pixels.shape[:2]
    scale = float(np.hypot(transforms[:, 0, 0], transforms[:, 1, 0]).min())
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], dtype=np.float32)
    reach = geometry.apply(transforms, np.broadcast_to(corners, (len(transforms), 4, 2)))
    reach = reach.reshape(-1, 2)
    left, top = (int(edge) for edge in np.floor(reach.min(axis=0) - 2 * scale - 2).clip(min=0))
    right, bottom = (int(e) for e in np.ceil(reach.max(axis=0) + 2 * scale + 2).clip(min=0))
    region = pixels[top : min(bottom, rows), left : min(right, columns)]
    if not region.size:
        yield from (pillow.new("RGB", (size, size)) for _ in transforms)
        return
    picture = pillow.fromarray(region)
    factor = float(max(1, int(scale)))
    between = pillow.Resampling.BICUBIC
    if factor > 1:
        picture = picture.reduce(int(factor))
    elif (times := min(round(1 / scale), MOST_ENLARGED)) > 1:
        factor = 1 / times
        enlarged = picture.width * times, picture.height * times
        picture = picture.resize(enlarged, pillow.Resampling.LANCZOS)
        between = pillow.Resampling.BILINEAR
    moved = (transforms - np.array([[0, 0, left], [0, 0, top]], dtype=np.float32)) / factor
    for transform in moved:
        yield picture.transform(
            (size, size),
            pillow.Transform.AFFINE,
            tuple(transform.ravel().tolist()),
            resample=between,
        )
