"""The plausibility of landmarks: whether they lie on a face's eyes, nose and mouth.

A detector that was trained on upright faces finds turned ones with the same confidence, but places
the landmarks where an upright face would have them.
"""

from __future__ import annotations

import cmath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedex.vision import pose
from facedex.vision.detection import Detections, Floats, Pixels
from facedex.vision.geometry import Similarity

if TYPE_CHECKING:
    from PIL.Image import Image

Complex = NDArray[np.complex128]

# The chip in which a face is judged: small, grey, with the five landmarks at fixed places.
SIDE = 24  # pixels
CELLS = 12  # a side, each the mean of two by two pixels
EYES = 0.42  # their distance, in sides; the rest of the face is pose.HEAD's
TEMPLATE = ((pose.HEAD[:, :2] - [0, 1]) * EYES / 2 + 0.5).astype(np.float32) * SIDE
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
LEAST_CONTRAST = 4  # grey levels, added to the deviation: a flat chip's noise shows nothing
NEUTRAL = 4.0  # log odds of a flat chip: as common with right landmarks as with wrong ones

# Logistic regression, whose value is the log odds that the landmarks are right. Fitted to 7,975
# faces: 1,600 crops of Labeled Faces in the Wild, upright, tilted by up to 40 degrees and turned
# further, with the landmarks that CenterFace and YuNet gave them. Right: on average within 6 % of
# the box's size from the upright face's, turned with it; wrong: beyond 12 %.
LAYOUT = np.array(
    [
        [-8.47, -7.13],
        [6.91, -5.78],
        [1.82, 14.03],
        [-6.90, -0.53],
        [7.48, -0.22],
    ],
    dtype=np.float32,
)
ASPECT = -5.98
LOOKS = np.array(
    [
        [0.01, 0.31, 0.03, 0.38, 0.05, -0.11],
        [-0.26, -0.26, -0.28, 0.26, 0.57, 0.97],
        [-0.09, -0.23, -0.02, -0.07, -1.16, 0.82],
        [0.13, -0.23, -0.64, -1.55, -1.29, 0.67],
        [0.13, 0.74, 0.20, 0.11, 0.55, 0.03],
        [0.13, -0.13, 0.45, 1.25, 0.11, 0.65],
        [-0.26, -0.36, 0.35, 0.66, -1.61, -0.45],
        [0.19, 0.11, -0.52, 0.08, 1.29, 0.12],
        [0.27, -0.43, 0.67, -0.31, -1.26, 0.01],
        [-0.26, 0.26, -0.20, 0.38, -0.56, -0.43],
        [0.09, -0.21, -0.36, -0.04, 0.86, -0.17],
        [-0.08, 0.31, -0.00, 0.03, -0.35, 0.31],
    ],
    dtype=np.float32,
)
BIAS = -12.26

# Every face is checked, so the check has to be quick: a chip's pixels are one sample each (the
# cells average over samples anyway), and places in the plane are complex numbers, x + iy.
_GOAL = TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]
_MIDDLE = complex(_GOAL.mean())
# A face is the same from left and right, whatever the light does.
_WEIGHTS = (np.concatenate([LOOKS, LOOKS[:, ::-1]], axis=1) / 2).ravel()


class Judgement(NamedTuple):
    """The plausibility and the roll of faces, by their landmarks."""

    trust: Floats  # (n,) log odds that they are right
    rolls: Floats  # (n,) degrees, clockwise, by which the faces are turned


def judge(picture: Image, found: Detections) -> Judgement:
    """Return how far the landmarks of faces in a picture can be trusted, and the faces' rolls."""
    corners = found.boxes[:, :2]
    extents = np.maximum(found.boxes[:, 2:] - corners, np.finfo(np.float32).tiny)
    places = (found.landmarks - corners[:, None]) / extents[:, None]
    layout = places.reshape(-1, LAYOUT.size) @ LAYOUT.ravel()
    layout += ASPECT * np.log(extents[:, 0] / extents[:, 1])
    middles, steps = _fit(found.landmarks)
    odds = layout + _pixel_odds(picture, middles, steps) + BIAS
    # A box without an extent, or landmarks in one place, are no face's.
    trust = np.where(np.isfinite(odds) & (steps != 0), odds, -np.inf)
    return Judgement(trust.astype(np.float32), np.degrees(np.angle(steps)).astype(np.float32))


def rolls(landmarks: Floats) -> Floats:
    """Return the angles (n,) in degrees, clockwise, by which faces are turned."""
    return np.degrees(np.angle(_fit(landmarks)[1])).astype(np.float32)


def _fit(landmarks: Floats) -> tuple[Complex, Complex]:
    """Return the landmarks' middles (n,), and the step (n,) of one pixel of the chip.

    The inverse of `Similarity.fit` onto the template, for many faces at once.
    """
    points = landmarks[:, :, 0] + 1j * landmarks[:, :, 1]
    middles = points.mean(axis=1)
    centred = points - middles[:, None]
    spread = (centred.real**2 + centred.imag**2).sum(axis=1)
    product = centred.conj() @ (_GOAL - _MIDDLE)
    return middles, spread / np.where(product == 0, 1, product)


def _pixel_odds(picture: Image, middles: Complex, steps: Complex) -> Floats:
    """Return how much the pixels under the landmarks look like a face (n,)."""
    samples = np.array(
        [_sample(picture, *place) for place in zip(middles.tolist(), steps.tolist(), strict=True)],
        dtype=np.uint8,
    ).reshape(-1, SIDE, SIDE, 3)
    chips = samples @ GREY
    halves = chips[:, ::2] + chips[:, 1::2]
    cells = ((halves[:, :, ::2] + halves[:, :, 1::2]) / 4).reshape(-1, CELLS**2)
    cells -= cells.mean(axis=1, keepdims=True)
    contrast = np.sqrt((cells * cells).mean(axis=1)) + LEAST_CONTRAST
    looks = (cells @ _WEIGHTS + NEUTRAL * LEAST_CONTRAST) / contrast
    return np.asarray(looks, dtype=np.float32)


def _sample(picture: Image, middle: complex, step: complex) -> Pixels:
    """Return the nearest pixels (SIDE, SIDE, 3) under a chip; black outside the picture."""
    # Imported here, so that functions without images never pay for it.
    from PIL import Image as pillow

    to_picture = Similarity(step, middle - step * _MIDDLE)
    if not all(map(cmath.isfinite, to_picture)):
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    chip = picture.transform(
        (SIDE, SIDE), pillow.Transform.AFFINE, to_picture.coefficients, pillow.Resampling.NEAREST
    )
    return np.asarray(chip)
