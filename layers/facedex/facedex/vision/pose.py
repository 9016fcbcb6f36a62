"""Estimation of a head's pose from five landmarks and a generic head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedex.vision.faces import Pose

Floats = NDArray[np.float32]

# Left eye, right eye, nose tip, left and right mouth corner, in halves of the distance between the
# eyes: x to the image's right, y down, z away from the camera. x and y are the means of
# CenterFace's landmarks on 1,249 near-frontal faces of Labeled Faces in the Wild; z is a
# least-squares fit to landmarks and angles in published responses of Amazon Rekognition (median
# differences to its angles: roll 1, yaw 6, pitch 4 degrees).
HEAD = np.array(
    [
        [-1.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [0.0, 1.10, -0.67],
        [-0.83, 2.01, -0.10],
        [0.83, 2.01, -0.10],
    ],
    dtype=np.float32,
)
_CENTRED = HEAD - HEAD.mean(axis=0)
_FIT = np.linalg.pinv(_CENTRED)  # (3, 5)
_MOMENTS = _CENTRED.T @ _CENTRED  # (3, 3)
_SPREAD = np.trace(_MOMENTS)
_TURNED, _TWICE = np.array([1, 2, 0]), np.array([2, 0, 1])  # axes, for cross products
ROUNDS = 10  # further iterations do not change the mean difference to those angles


def estimate(landmarks: Floats) -> list[Pose]:
    """Return the poses of faces.

    The method is scaled orthographic projection (DeMenthon and Davis, IJCV 15:123, 1995) with least
    squares. It starts with the best 2 x 3 matrix from head to image with orthonormal rows, then
    alternates between computing the landmarks' depths from the rotation and the rotation from the
    landmarks with depth (Kabsch). The head is rotated by pitch first, then yaw, then roll. Signs
    follow Rekognition's published responses: positive roll is clockwise in the image, positive yaw
    moves the nose to the image's right, positive pitch moves it up.

    Args:
        landmarks: (n, 5, 2) x y in pixels; ratios would distort the angles.
    """
    flat = landmarks - landmarks.mean(axis=1, keepdims=True)
    left, size, right = np.linalg.svd((_FIT @ flat).transpose(0, 2, 1), full_matrices=False)
    rows = left @ right
    across, down = rows[:, 0], rows[:, 1]  # (n, 3) each: rows of the rotation
    scale = size.mean(axis=1)
    # The landmarks with depth, (n, 3, 5), times the head, (5, 3); only the depths' row changes.
    product = np.empty((len(flat), 3, 3), dtype=flat.dtype)
    product[:, :2] = flat.transpose(0, 2, 1) @ _CENTRED
    for _ in range(ROUNDS):
        product[:, 2] = scale[:, None] * (_cross(across, down) @ _MOMENTS)
        left, size, right = np.linalg.svd(product)
        rows = left @ right
        across, down = rows[:, 0], rows[:, 1]
        scale = size.sum(axis=1) / _SPREAD
    depth = _cross(across, down)
    roll = np.arctan2(down[:, 0], across[:, 0])
    sine, cosine = np.sin(roll), np.cos(roll)
    # The nose points along -z of the head; this is its direction in the image, before the roll.
    nose_x = -(cosine * across[:, 2] + sine * down[:, 2])
    nose_y = sine * across[:, 2] - cosine * down[:, 2]
    yaw = np.arctan2(nose_x, depth[:, 2])
    pitch = np.arcsin(np.clip(-nose_y, -1, 1))
    degrees = np.degrees(np.stack([roll, yaw, pitch], axis=1))
    return [Pose(*angles) for angles in degrees.tolist()]


def _cross(first: Floats, second: Floats) -> Floats:
    """Return the cross products of vectors (n, 3), several times as fast as np.cross on a few."""
    return first.take(_TURNED, 1) * second.take(_TWICE, 1) - first.take(_TWICE, 1) * second.take(
        _TURNED, 1
    )
