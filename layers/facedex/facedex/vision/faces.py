"""Values that describe a face in an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # not at run time, as functions that read stored results lack NumPy
    import numpy as np
    from numpy.typing import NDArray

    from facedex.vision.attributes.values import Details


class Box(NamedTuple):
    """A face's box as ratios of the image; values outside 0..1 if the face extends beyond it."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Pose:
    """A head's pose in degrees.

    Attributes:
        roll: positive for clockwise in the image.
        yaw: positive for the nose towards the image's right.
        pitch: positive for the nose up.
    """

    roll: float
    yaw: float
    pitch: float


@dataclass(frozen=True)
class Quality:
    """Brightness and sharpness of a face, each 0..100."""

    brightness: float
    sharpness: float


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """The position of a face; coordinates are ratios of the upright image's width and height."""

    box: Box
    confidence: float  # 0..100: the probability that the box contains a face
    landmarks: NDArray[
        np.float32
    ]  # (5, 2) x y: eyes, nose, mouth corners, the left ones of the upright face first
    size: tuple[int, int]  # width and height of the box in pixels of the original image
    # False if the landmarks are not on eyes, nose and mouth, so that a vector would be noise.
    legible: bool = field(default=True, kw_only=True)


@dataclass(frozen=True, eq=False)
class Face(DetectedFace):
    """A detected face with its pose and quality.

    Attributes:
        details: further attributes; None if none was requested.
    """

    pose: Pose
    quality: Quality
    details: Details | None = field(default=None, kw_only=True)
