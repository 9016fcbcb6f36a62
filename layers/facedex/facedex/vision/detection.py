"""Faces in pixels: what every detector gives, and the sizes at which a picture is searched."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facedex.vision import geometry
from facedex.vision.resizing import resize

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# How large a picture is searched, in pixels of its longest side.
LONGEST_SIDE = 1280
WHOLE_SIDE = 480  # up to here a picture is not reduced
SMALLEST_SIDE = 160  # a smaller one is enlarged: crops that are nothing but a face
SECOND_LOOK = 640  # no face that fits into this is too large for a network
# Where a picture is searched twice: the widest range of faces that both searches may report. The
# first one sees pieces of a face above it as faces of their own.
LARGE_FACE = (240, 360)  # pixels of the first search

MULTIPLE = 32  # the networks halve their input five times
# Of the scale at which a picture is searched, the least part that saves some of the padding.
_SMALLER = 0.97
OVERLAP = 0.3  # of two boxes, above which they hold one face
MOST_CANDIDATES = 3000  # bounds the work on a picture that is nothing but faces


@dataclass(frozen=True)
class Detections:
    """Faces in the coordinates of the pixels they were found in, highest score first."""

    boxes: Floats  # (n, 4) x1 y1 x2 y2, pixels; may leave the picture
    scores: Floats  # (n,) 0..1, the probability that the box holds a face
    landmarks: Floats  # (n, 5, 2) x y, pixels: eyes, nose, mouth corners, left ones first

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """Return the faces that a mask or indices choose."""
        return Detections(self.boxes[which], self.scores[which], self.landmarks[which])

    def scaled(self, factors: Floats) -> Detections:
        """Return the faces in a picture that is `factors` (x, y) times as large."""
        return Detections(self.boxes * np.tile(factors, 2), self.scores, self.landmarks * factors)

    def distinct(self) -> Detections:
        """Return one of those faces that overlap: the one with the highest score."""
        return self.select(geometry.suppress(self.boxes, self.scores, OVERLAP))


def search(
    find: Callable[[Pixels], Detections], picture: Image, side: int, *, fixed: bool = False
) -> Detections:
    """Search a picture at `side` pixels, and a large one a second time at a quarter of that.

    The second search is for the faces that fill the picture: networks find faces of about 20 to
    800 pixels.

    Args:
        find: returns the faces in pixels (rows, columns, 3), in the coordinates of these.
        picture: RGB.
        side: longer side at which the picture is searched, pixels.
        fixed: whether the network accepts one size only, to which every picture is padded.
    """
    found = _search(find, picture, side, fixed)
    if side > SECOND_LOOK:
        scale = max(picture.size) / side
        least, most = LARGE_FACE
        large = _keep(_search(find, picture, side // 4, fixed), least * scale, np.inf)
        found = join([_keep(found, 0, most * scale), large]).distinct()
    return found


def search_side(side: int, longest_side: int) -> int:
    """Return the longest side, in pixels, at which a picture of longest side `side` is searched.

    That is two thirds of its size, within bounds: a face of 40 pixels then has 27.
    """
    if side < SMALLEST_SIDE:
        return SMALLEST_SIDE
    return min(longest_side, side, max(side * 2 // 3, WHOLE_SIDE))


def pad(pixels: Pixels, shape: tuple[int, int] | None = None) -> Pixels:
    """Add black below and to the right of a picture; its proportions stay.

    Args:
        pixels: (rows, columns, 3).
        shape: rows and columns of the result; by default the next multiples of 32.
    """
    rows, columns = pixels.shape[:2]
    wanted = shape or (-(-rows // MULTIPLE) * MULTIPLE, -(-columns // MULTIPLE) * MULTIPLE)
    if wanted == (rows, columns):
        return pixels
    padded = np.zeros((*wanted, 3), dtype=np.uint8)
    padded[:rows, :columns] = pixels
    return padded


def to_batch(pixels: Pixels, shape: tuple[int, int] | None = None) -> Floats:
    """Return a network's input: (1, 3, rows, columns) 0..255, padded as with `pad`."""
    return pad(pixels, shape).transpose(2, 0, 1)[None].astype(np.float32, order="C")


def corners(cells: NDArray[np.intp], columns: int) -> Floats:
    """Return the upper left corners x y, in cells, of cells numbered along rows of `columns`."""
    return np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)


def choose(parts: list[Detections]) -> Detections:
    """Return the distinct faces among the candidates of several grids."""
    candidates = join(parts)
    if candidates.scores.size > MOST_CANDIDATES:
        candidates = candidates.select(np.argsort(-candidates.scores)[:MOST_CANDIDATES])
    return candidates.distinct()


def join(parts: list[Detections]) -> Detections:
    """Return the faces of all parts, in that order."""
    return Detections(
        boxes=np.concatenate([part.boxes for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        landmarks=np.concatenate([part.landmarks for part in parts]),
    )


def _search(
    find: Callable[[Pixels], Detections], picture: Image, side: int, fixed: bool
) -> Detections:
    columns, rows = picture.size
    scale = side / max(rows, columns)
    if scale < 1 and not fixed:
        scale = _fit(rows, columns, scale)
    width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
    back = np.array([columns / width, rows / height], dtype=np.float32)
    return find(resize(picture, width, height)).scaled(back)


def _fit(rows: int, columns: int, scale: float) -> float:
    """Return the scale of a picture to be reduced, or a slightly smaller one if it saves padding.

    The networks take as long for padding as for pixels: 360 rows are padded to 384, 352 are not.
    """

    def padded(factor: float) -> int:
        sides = (round(side * factor) for side in (rows, columns))
        return math.prod(-(-side // MULTIPLE) for side in sides)

    exact = (round(side * scale) // MULTIPLE * MULTIPLE / side for side in (rows, columns))
    smaller = [each for each in exact if _SMALLER * scale <= each < scale]
    return min((scale, *smaller), key=padded)


def _keep(found: Detections, least: float, most: float) -> Detections:
    """Return the faces whose box's longer side lies between two lengths."""
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1)
    return found.select((sides >= least) & (sides <= most))
