"""Alignment of faces: rotating, scaling and cropping to the chip that an embedder expects."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedex.parallel import run_on_all
from facedex.vision import geometry
from facedex.vision.geometry import Similarity

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
# Faces whose regions of the picture are in memory at once: each takes up to a megabyte, those of a
# hundred faces more than the picture.
_TOGETHER = 8


def align(
    picture: pillow.Image,
    landmarks: Floats,
    template: Floats,
    chip_size: int,
    view: View = UPRIGHT,
) -> NDArray[np.uint8]:
    """Return one chip for each face: (n, chip_size, chip_size, 3) RGB.

    Areas outside the image are black.

    Args:
        picture: RGB.
        landmarks: (n, 5, 2) x y in the picture.
        template: (5, 2) x y of the landmarks in the upright chip.
        chip_size: side of the chip in pixels.
        view: the variation of the chip.
    """
    chips: NDArray[np.uint8] = cut(picture, landmarks, template, chip_size, (view,))[:, 0]
    return chips


def cut(
    picture: pillow.Image,
    landmarks: Floats,
    template: Floats,
    chip_size: int,
    views: Sequence[View],
) -> NDArray[np.uint8]:
    """Return the chips of each face in several views: (n, views, chip_size, chip_size, 3) RGB.

    The result is that of `align` for each view, but work that the views share is done once.

    Args:
        picture: RGB.
        landmarks: (n, 5, 2) x y in the picture.
        template: (5, 2) x y of the landmarks in the upright chip.
        chip_size: side of the chip in pixels.
        views: the variations of the chip.
    """
    goals = [change(template, chip_size, view) for view in views]
    chips = np.empty((len(landmarks), len(views), chip_size, chip_size, 3), dtype=np.uint8)

    def sample(target: tuple[int, int, _Cut]) -> None:
        face, view, cut_out = target
        chip = cut_out.sample(chip_size)
        chips[face, view] = chip[:, ::-1] if views[view].mirrored else chip

    for first in range(0, len(landmarks), _TOGETHER):
        cuts = []
        for face, points in enumerate(landmarks[first : first + _TOGETHER], first):
            marks = geometry.complexes(points)
            to_picture = [Similarity.fit(marks, goal).inverse for goal in goals]
            prepared = _prepare(picture, to_picture, chip_size)
            cuts += [(face, view, cut_out) for view, cut_out in enumerate(prepared)]
        run_on_all(cuts, sample)
    return chips


def change(template: Floats, chip_size: int, view: View) -> list[complex]:
    """Return the template's points x + iy in another view of the chip."""
    middle = complex(chip_size, chip_size) / 2
    turn = cmath.rect(view.zoom, math.radians(view.turn))
    return [(point - middle) * turn + middle for point in geometry.complexes(template)]


class _Cut(NamedTuple):
    """A chip to be sampled.

    Attributes:
        region: the face's part of the picture, enlarged or reduced.
        to_region: transform from the chip to it.
        between: how pixels between those of the region are computed, one of Pillow's resamplings.
    """

    region: pillow.Image
    to_region: Similarity
    between: pillow.Resampling

    def sample(self, size: int) -> NDArray[np.uint8]:
        """Return the chip, (size, size, 3) RGB; black outside the region."""
        from PIL import Image as pillow

        chip = self.region.transform(
            (size, size),
            pillow.Transform.AFFINE,
            self.to_region.coefficients,
            resample=self.between,
        )
        return np.asarray(chip)


def _prepare(picture: pillow.Image, to_picture: Sequence[Similarity], size: int) -> Iterator[_Cut]:
    """Prepare a face's chips, by the transforms from the chip to the picture.

    If the face is larger than the chip, interpolation alone would skip pixels, so the region of the
    face is first reduced by averaging, by an integer factor. If the face is smaller, the region is
    first enlarged by an integer factor, with a filter that preserves more detail than the affine
    transform's own; bilinear interpolation is then sufficient.
    """
    # Imported here, so that functions without images do not load it.
    from PIL import Image as pillow

    scale = min(abs(each.factor) for each in to_picture)
    corners = (0, size, 1j * size, (1 + 1j) * size)
    reach = [each.move(corner) for each in to_picture for corner in corners]
    margin = 2 * scale + 2
    left, right = _within([point.real for point in reach], margin, picture.width)
    top, bottom = _within([point.imag for point in reach], margin, picture.height)
    empty = left >= right or top >= bottom
    region = pillow.new("RGB", (1, 1)) if empty else picture.crop((left, top, right, bottom))
    factor = float(max(1, int(scale)))
    between = pillow.Resampling.BICUBIC
    if factor > 1:
        region = region.reduce(int(factor))
    elif (times := min(round(1 / scale), MOST_ENLARGED)) > 1:
        factor = 1 / times
        enlarged = region.width * times, region.height * times
        region = region.resize(enlarged, pillow.Resampling.LANCZOS)
        between = pillow.Resampling.BILINEAR
    corner = complex(left, top)
    for turn, shift in to_picture:
        yield _Cut(region, Similarity(turn / factor, (shift - corner) / factor), between)


def _within(places: Sequence[float], margin: float, size: int) -> tuple[int, int]:
    """Return the part of 0..size that is no farther than a margin from places."""
    return (
        max(0, math.floor(min(places) - margin)),
        min(size, max(0, math.ceil(max(places) + margin))),
    )
