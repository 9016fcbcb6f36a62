"""What is known about one face in a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A face's box as ratios of the picture; it may leave 0..1 where the face leaves the frame."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Pose:
    """Degrees. Roll: clockwise in the picture; yaw: nose to the picture's right; pitch: nose up."""

    roll: float
    yaw: float
    pitch: float


@dataclass(frozen=True)
class Quality:
    """0..100, higher is brighter and sharper."""

    brightness: float
    sharpness: float


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """Where a face is; places are ratios of the upright picture's width and height."""

    box: Box
    confidence: float  # 0..100: the probability that the box holds a face
    landmarks: NDArray[
        np.float32
    ]  # (5, 2) x y: eyes, nose, mouth corners, the left ones of the upright face first
    size: tuple[int, int]  # width and height of the box in pixels of the original
    # False: the landmarks lie elsewhere than on eyes, nose and mouth, so a vector would be noise.
    legible: bool = field(default=True, kw_only=True)


@dataclass(frozen=True, eq=False)
class Face(DetectedFace):
    """A detected face, looked at."""

    pose: Pose
    quality: Quality
