"""How surely landmarks lie on a face's eyes, nose and mouth.

A detector taught with upright faces finds turned ones too, and is as sure of them, but puts the
landmarks where an upright face would have them.
"""

from __future__ import annotations

import numpy as np

from facedex.vision import geometry, pose
from facedex.vision.detection import Detections, Floats, Pixels

# A face as it is looked at here: its five landmarks brought to fixed places in a small grey chip.
SIDE = 24  # pixels
CELLS = 12  # a side, each the mean of its pixels
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

# Where the chip's pixels are taken from, one sample each: every face is checked, so the check has
# to be quick, and the cells average over samples anyway.
_GRID = np.stack(np.meshgrid(*2 * [np.arange(SIDE) + 0.5]), axis=-1).reshape(-1, 2)
_GRID = _GRID.astype(np.float32)


def measure(pixels: Pixels, found: Detections) -> Floats:
    """Return the log odds (n,) that the landmarks of faces in RGB pixels are right."""
    corners = found.boxes[:, :2]
    extents = np.maximum(found.boxes[:, 2:] - corners, np.finfo(np.float32).tiny)
    places = (found.landmarks - corners[:, None]) / extents[:, None]
    aspects = np.log(extents[:, 0] / extents[:, 1])
    layout = np.einsum("nij,ij->n", places, LAYOUT) + ASPECT * aspects
    odds = np.asarray(layout + _look(pixels, found.landmarks) + BIAS, dtype=np.float32)
    # A box without an extent, or landmarks in one place, are no face's.
    return np.where(np.isfinite(odds), odds, np.float32(-np.inf))


def _look(pixels: Pixels, landmarks: Floats) -> Floats:
    """Return how much the pixels under the landmarks look like a face (n,)."""
    transforms = geometry.invert(geometry.similarity_transforms(landmarks, TEMPLATE))
    places = geometry.apply(transforms, _GRID[None]).astype(np.intp)
    x, y = places[:, :, 0], places[:, :, 1]
    rows, columns = pixels.shape[:2]
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    chips = pixels[y.clip(0, rows - 1), x.clip(0, columns - 1)] @ GREY * inside
    cells = chips.reshape(-1, CELLS, SIDE // CELLS, CELLS, SIDE // CELLS).mean(axis=(2, 4))
    cells -= cells.mean(axis=(1, 2), keepdims=True)
    contrast = cells.std(axis=(1, 2), keepdims=True) + LEAST_CONTRAST
    cells /= contrast
    # A face is the same from left and right, whatever the light does.
    halves = (cells + cells[:, :, ::-1])[:, :, : CELLS // 2] / 2
    flat = NEUTRAL * LEAST_CONTRAST / contrast[:, 0, 0]
    return np.asarray(np.einsum("nij,ij->n", halves, LOOKS) + flat, dtype=np.float32)
