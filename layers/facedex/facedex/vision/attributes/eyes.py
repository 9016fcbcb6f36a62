"""The eyes by their contours and pupils: how far open, and where they look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from facedex.vision.attributes import crops
from facedex.vision.attributes.crops import SMALL, Complex, Floats, Frame, Pixels
from facedex.vision.attributes.values import Gaze
from facedex.vision.sessions import Network

# Corners of the left and of the right eye in the mesh: outer and inner, inner and outer.
_LEFT: Final = (33, 133)
_RIGHT: Final = (362, 263)

# Points of a contour: the corners, and the middles of the lower and of the upper lid.
_CORNERS: Final = (0, 8)
_LOWER: Final = (3, 4, 5)
_UPPER: Final = (11, 12, 13)

# Logistic regression of open eyes on the mean opening of both; see docs/attributes.md.
_OPEN_SLOPE: Final = 43.9
_OPEN_START: Final = -5.76

# Of an eye, in widths of the opening between the corners (about 29 mm): the distance of the pupil
# and that of the corners' plane from the middle of the eyeball, and the height of a pupil that
# looks ahead above the corners.
_PUPIL: Final = 10.5 / 29
_PLANE: Final = 5 / 29
_RESTING: Final = 0.07
_APART: Final = 0.10  # difference between both eyes, in widths, that halves the confidence
_FEWEST_PIXELS: Final = 6.0  # of an eye's width at which the confidence is a half


@dataclass(frozen=True, slots=True)
class Eyes:
    """Both eyes of a face, the left one in the picture first.

    Attributes:
        contours: (71,) points x + iy of each in the picture.
        pupils: (2,) points x + iy in the picture.
        opening: height of the opening in widths, mean of both.
        shifts: (2,) pupils from the middle between the corners, x to the right and y up, in widths.
        width: of the wider eye, pixels of the picture.
    """

    contours: tuple[Complex, Complex]
    pupils: Complex
    opening: float
    shifts: Complex
    width: float

    @property
    def open_chance(self) -> float:
        """Probability in percent that the eyes are open."""
        return float(100 / (1 + np.exp(-(_OPEN_SLOPE * self.opening + _OPEN_START))))

    def gaze(self, head_yaw: float) -> Gaze:
        """Return the direction in which both look, relative to the head.

        Args:
            head_yaw: the head's yaw in degrees: a turned head moves the corners of the eyes, which
                are in front of the eyeball's middle, to the same side as the pupils.
        """
        mean, head = self.shifts.mean(), np.radians(head_yaw)
        side = (mean.real * np.cos(head) + _PLANE * np.sin(head)) / _PUPIL
        yaw = np.arcsin(np.clip(side, -1, 1)) - head
        pitch = np.arcsin(np.clip((mean.imag - _RESTING) / _PUPIL, -1, 1))
        agreement = 1 / (1 + (abs(self.shifts[0] - self.shifts[1]) / _APART) ** 2)
        seen = self.width**2 / (self.width**2 + _FEWEST_PIXELS**2)
        confidence = self.open_chance * agreement * seen
        return Gaze(float(np.degrees(yaw)), float(np.degrees(pitch)), float(confidence))


def find_eyes(network: Network, chip: Pixels, mesh: Floats, frame: Frame) -> Eyes:
    """Return the eyes of a face.

    Args:
        network: the iris network.
        chip: (CHIP, CHIP, 3) the face.
        mesh: (468, 2) points of the mesh in the chip.
        frame: the chip's square in the picture.
    """
    points = mesh[:, 0] + 1j * mesh[:, 1]
    frames = [crops.eye_frame(*points[list(corners)]) for corners in (_LEFT, _RIGHT)]
    left, right = (each.cut(chip, SMALL) for each in frames)
    contours, irises = (
        found[..., :2].copy() for found in network.run(np.stack([left, right[:, ::-1]]))
    )
    contours[1, :, 0], irises[1, :, 0] = SMALL - contours[1, :, 0], SMALL - irises[1, :, 0]
    widths = np.linalg.norm(contours[:, _CORNERS[0]] - contours[:, _CORNERS[1]], axis=1).clip(min=1)
    heights = contours[:, list(_LOWER), 1].mean(axis=1) - contours[:, list(_UPPER), 1].mean(axis=1)
    shifts = (irises[:, 0] - contours[:, list(_CORNERS)].mean(axis=1)) / widths[:, None]

    def to_picture(eye: Frame, points: Floats) -> Complex:
        inside = eye.to_picture(points, SMALL)
        return frame.to_picture(np.stack([inside.real, inside.imag], axis=1), chip.shape[0])

    sizes = widths / SMALL * [each.side for each in frames]
    return Eyes(
        contours=(to_picture(frames[0], contours[0]), to_picture(frames[1], contours[1])),
        pupils=np.concatenate(
            [to_picture(eye, iris[:1]) for eye, iris in zip(frames, irises, strict=True)]
        ),
        opening=float((heights / widths).mean()),
        shifts=shifts[:, 0] - 1j * shifts[:, 1],
        width=float(sizes.max() / chip.shape[0] * frame.side),
    )
