"""Faces turned, scaled and cut to the chip that an embedder expects."""

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
    """How a chip differs from the template's."""

    turn: float = 0.0  # degrees, clockwise about the chip's centre
    zoom: float = 1.0  # from the chip's centre
    mirrored: bool = False  # left and right exchanged, after turn and zoom


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

    As `align` for each view, but what they have in common is made once.
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
        for place, (view, chip) in enumerate(
            zip(views, _warp(pixels, transforms, chip_size), strict=True)
        ):
            seen = np.asarray(chip)
            chips[face, place] = seen[:, ::-1] if view.mirrored else seen
    return chips


def change(template: Floats, chip_size: int, view: View) -> Floats:
    """Return where the template's points (5, 2) lie in another view of the chip."""
    angle = np.radians(view.turn)
    sine, cosine = view.zoom * np.sin(angle), view.zoom * np.cos(angle)
    turned = (template - chip_size / 2) @ np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray(turned + chip_size / 2, dtype=np.float32)


def _warp(pixels: NDArray[np.uint8], transforms: Floats, size: int) -> Iterator[pillow.Image]:
    """Sample a face's chips through transforms (n, 2, 3) from chip to picture coordinates.

    Interpolation alone would skip pixels where the face is larger than the chip, so the face's
    surroundings are first averaged down by a whole factor. Where the face is smaller, they are
    first enlarged by one, with a filter that keeps more detail than the warp's own can; between
    pixels so close together a straight line is as good as a curve.
    """
    # Imported here, so that functions without images never pay for it.
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
