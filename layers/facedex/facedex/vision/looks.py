"""Faces looked at again: cut out, turned, searched, and brought back to the picture."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facedex.vision import alignment, detection, geometry, plausibility
from facedex.vision.alignment import View
from facedex.vision.detection import Detections, Floats
from facedex.vision.geometry import Similarity

if TYPE_CHECKING:
    from PIL.Image import Image

Find = Callable[["Image"], Detections]

# Mean distance between the same landmarks in two looks, in sizes of the box.
ALIKE = 0.1
ROUGHLY = 0.25  # where the face is small in one of them

# Pixels a side.
SMALL_TILE = 64  # of the look by quarters
EXACT_TILE = 160  # of the last look, at the face with its head up
WIDEST = 1920  # pixels of a turned picture: detectors search two thirds of that

AROUND = 2.0  # sides of the face's box in the side of a tile
NEAR = 0.5  # halves of a tile's side from its middle, within which the face's own middle lies

# A square by its corners and its middle.
_SQUARE = np.array([[0, 0], [1, 0], [0.5, 0.5], [0, 1], [1, 1]], dtype=np.float32)


class Look(NamedTuple):
    """A face as one look showed it, in the picture's coordinates."""

    box: Floats  # (4,) x1 y1 x2 y2
    score: float
    landmarks: Floats  # (5, 2)
    trust: float  # log odds that the landmarks are right
    view: int  # in which it was seen

    @property
    def worth(self) -> float:
        """Log odds that this look is the right one: half weight for the detector's own score."""
        return float(_worth(np.float32(self.trust), np.float32(self.score)))

    @property
    def size(self) -> float:
        """Side in pixels of a square as large as the box."""
        return float(np.sqrt(np.prod(self.box[2:] - self.box[:2])))

    @property
    def roll(self) -> float:
        """Angle in degrees, clockwise, by which the landmarks say the face is turned."""
        return float(plausibility.rolls(self.landmarks[None])[0])

    def resembles(self, other: Look, within: float = ALIKE) -> bool:
        """Return whether both have the landmarks in the same places."""
        return bool(_apart(self.landmarks, other.landmarks) < within * self.size)


def look_around(
    find: Find,
    picture: Image,
    box: Floats,
    views: Sequence[View],
    tile: int,
    around: float,
    *,
    near: float = NEAR,
) -> Iterator[Look]:
    """Search the surroundings of a box in several views, and yield the faces.

    Args:
        find: searches RGB pictures.
        picture: the picture.
        box: (4,) x1 y1 x2 y2, pixels.
        views: the views of the box.
        tile: side of a view, pixels.
        around: side of the square that is searched, in longer sides of the box.
        near: maximum distance of a face from the middle of the box, in halves of a tile.
    """
    # Imported here, so that functions without images never pay for it.
    from PIL import Image as pillow

    corner, side = _surroundings(box, around)
    square = (corner + _SQUARE * side).astype(np.float32)
    corners = geometry.complexes(square)
    template = _SQUARE * tile
    tiles = alignment.cut(picture, square[None], template, tile, views)[0]
    high = -(-len(views) // (detection.WHOLE_SIDE // tile))
    wide = -(-len(views) // high)
    places = np.array([divmod(view, wide)[::-1] for view in range(len(views))]) * tile
    canvas = pillow.new("RGB", (wide * tile, int(places[-1, 1]) + tile))
    for (x, y), part in zip(places.tolist(), tiles, strict=True):
        canvas.paste(pillow.fromarray(part), (x, y))
    found = find(canvas)
    trust = plausibility.judge(canvas, found).trust
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    for number, (view, place) in enumerate(zip(views, places, strict=True)):
        back = Similarity.fit(corners, alignment.change(template, tile, view)).inverse
        distance = abs(centres - place - tile / 2).max(axis=1, initial=0)
        for face in np.flatnonzero(distance < near * tile / 2).tolist():
            yield Look(
                turn_box(back, found.boxes[face] - np.tile(place, 2)),
                float(found.scores[face]),
                back.apply(found.landmarks[face] - place),
                float(trust[face]),
                number,
            )


def look_exactly(find: Find, picture: Image, look: Look) -> Look | None:
    """Return a face as it is seen when it is turned by the roll of its landmarks, if it is."""
    seen = look_around(find, picture, look.box, (View(turn=-look.roll),), EXACT_TILE, AROUND)
    return max(seen, key=lambda each: each.worth, default=None)


def look_by_quarters(find: Find, picture: Image, look: Look) -> tuple[float, float]:
    """Return the worth of a face as it stands, and at most when turned by quarters.

    It is that of small views, and minus infinity where they show no face.
    """
    # Imported here, so that functions without images never pay for it.
    from PIL import Image as pillow

    corner, side = _surroundings(look.box, AROUND)
    square = (corner + _SQUARE * side)[None].astype(np.float32)
    tile = alignment.align(picture, square, _SQUARE * SMALL_TILE, SMALL_TILE)[0]
    turned_tiles = [np.rot90(tile, quarters) for quarters in range(4)]
    canvas = pillow.fromarray(np.concatenate(turned_tiles, axis=1))
    found = find(canvas)
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    views = centres[:, 0] // SMALL_TILE
    centres[:, 0] -= views * SMALL_TILE
    near = abs(centres - SMALL_TILE / 2).max(axis=1) < NEAR * SMALL_TILE / 2
    found, views = found.select(near), views[near]
    worth = _worth(plausibility.judge(canvas, found).trust, found.scores)
    places = corner + found.landmarks * (side / SMALL_TILE)
    same = (views == 0) & (_apart(places, look.landmarks) < ROUGHLY * look.size)
    upright, turned = (worth[which].max(initial=-np.inf) for which in (same, views != 0))
    return float(upright), float(turned)


def turn(picture: Image, roll: float) -> tuple[Image, Similarity]:
    """Return the picture turned back by a roll, and the transform to the one given."""
    # Imported here, so that functions without images never pay for it.
    from PIL import Image as pillow

    direction = cmath.rect(1, math.radians(roll))
    cosine, sine = abs(direction.real), abs(direction.imag)
    columns, rows = picture.size
    # A face's pixels are as large as before, of a picture as large as detectors search any.
    size = cosine * columns + sine * rows, sine * columns + cosine * rows
    scale = max(1.0, max(size) / WIDEST)
    width, height = (math.ceil(side / scale - 1e-6) for side in size)
    reduced = picture.reduce(int(scale))
    turned = scale * direction
    back = Similarity(turned, (complex(columns, rows) - turned * complex(width, height)) / 2)
    # Both sides of the reduced picture are rounded up, so its pixels are not quite square.
    across, down = reduced.width / columns, reduced.height / rows
    first, second = back.coefficients[:3], back.coefficients[3:]
    sampled = reduced.transform(
        (width, height),
        pillow.Transform.AFFINE,
        (*(across * each for each in first), *(down * each for each in second)),
        resample=pillow.Resampling.BILINEAR,
    )
    return sampled, back


def _surroundings(box: Floats, around: float) -> tuple[Floats, float]:
    """Return the upper left corner (2,) and the side of the square about a box."""
    side = around * float((box[2:] - box[:2]).max())
    return ((box[:2] + box[2:] - side) / 2).astype(np.float32), side


def _worth(trust: Floats | np.float32, scores: Floats | np.float32) -> Floats:
    chances = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(trust + 0.5 * np.log(chances / (1 - chances)))


def _apart(landmarks: Floats, others: Floats) -> Floats:
    """Return the mean distance in pixels between landmarks (n, 5, 2) or (5, 2) and others."""
    return np.asarray(np.linalg.norm(landmarks - others, axis=-1).mean(axis=-1))


def turn_box(transform: Similarity, box: Floats) -> Floats:
    """Return the box (4,) around the ellipse in a box (4,), moved by a similarity transform.

    The corners of a turned box lie outside the face.
    """
    left, top, right, bottom = box.tolist()
    middle = transform.move(complex(left + right, top + bottom) / 2)
    along, across = transform.factor.real, transform.factor.imag
    width, height = (right - left) / 2, (bottom - top) / 2
    wide, high = (
        math.hypot(along * width, across * height),
        math.hypot(across * width, along * height),
    )
    sides = (middle.real - wide, middle.imag - high, middle.real + wide, middle.imag + high)
    return np.array(sides, dtype=np.float32)
