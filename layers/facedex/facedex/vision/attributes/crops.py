"""Upright square crops of faces and eyes, from which the attribute networks read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment

Floats = NDArray[np.float32]
Complex = NDArray[np.complex64]
Pixels = NDArray[np.uint8]

CHIP: Final = 192  # pixels of the face's chip: the mesh network's input
SMALL: Final = 64  # pixels of the inputs of the other networks

# The distance between the eyes, and from the eyes to the mouth, in sides of the face's chip, at
# which the mesh fills two thirds of it, as in MediaPipe. Whichever asks for the larger chip counts:
# the first is short in profile, the second in a bowed face.
_ACROSS: Final = 0.283
_DOWN: Final = 0.311
_RAISED: Final = 0.02  # sides by which the chip's middle is above that of eyes and mouth

# The part of the face's frame that the small chip shows: that of dlib's chips with a padding of
# 0.2, on which the networks for age and gender were trained.
_PART: Final = 0.746
# Pixels of the picture in one of a chip, below which the face is enlarged with a better filter.
_ENLARGED: Final = 0.6
_EYE: Final = 2.3  # sides of an eye's chip in the distance between its corners, as in MediaPipe

# A square by its corners and its middle.
_SQUARE: Final = np.array([-0.5 - 0.5j, 0.5 - 0.5j, 0, -0.5 + 0.5j, 0.5 + 0.5j])
_PLACES: Final = np.array([[0, 0], [1, 0], [0.5, 0.5], [0, 1], [1, 1]], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Frame:
    """A square in a picture, with points as complex numbers x + iy, in pixels.

    Attributes:
        middle: its middle.
        across: unit vector along its upper edge.
        side: length of a side.
    """

    middle: complex
    across: complex
    side: float

    def cut(self, pixels: Pixels, size: int) -> Pixels:
        """Return the square as a chip (size, size, 3); black outside the picture."""
        scale = self.side / size
        if scale < _ENLARGED:
            # The small face of a photo deserves the better and slower enlargement.
            points = self.middle + _SQUARE * self.across * self.side
            places = np.stack([points.real, points.imag], axis=1)[None].astype(np.float32)
            chip: Pixels = alignment.align(pixels, places, _PLACES * size, size)[0]
            return chip
        # Imported here, so that functions without images do not load it.
        from PIL import Image as pillow

        reach = self.side * (abs(self.across.real) + abs(self.across.imag)) / 2 + 2 * scale
        rows, columns = pixels.shape[:2]
        left, right = (
            int(np.clip(self.middle.real + edge, 0, columns)) for edge in (-reach, reach + 1)
        )
        top, bottom = (
            int(np.clip(self.middle.imag + edge, 0, rows)) for edge in (-reach, reach + 1)
        )
        region = pixels[top:bottom, left:right]
        if not region.size:
            return np.zeros((size, size, 3), dtype=np.uint8)
        picture = pillow.fromarray(region)
        factor = max(1, int(scale))
        if factor > 1:
            picture = picture.reduce(factor)
        corner = (
            self.middle - self.side * self.across * (0.5 + 0.5j) - complex(left, top)
        ) / factor
        step = self.across * scale / factor
        coefficients = (step.real, -step.imag, corner.real, step.imag, step.real, corner.imag)
        return np.asarray(
            picture.transform(
                (size, size), pillow.Transform.AFFINE, coefficients, pillow.Resampling.BILINEAR
            )
        )

    def to_picture(self, points: Floats, size: int) -> Complex:
        """Return points (n, 2) of a chip of that size as points (n,) of the picture."""
        places = (points[:, 0] + 1j * points[:, 1]) / size - (0.5 + 0.5j)
        return np.asarray(places * self.side * self.across + self.middle)


def face_frame(landmarks: Floats) -> Frame:
    """Return the upright square around a face.

    Args:
        landmarks: (5, 2) x y in pixels: eyes, nose, mouth corners.
    """
    left, right, _, mouth_left, mouth_right = landmarks[:, 0] + 1j * landmarks[:, 1].astype(float)
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    # The direction across the face, by the eyes and mouth together and by the line between them.
    across = _unit(_unit(right - left + mouth_right - mouth_left) + _unit((mouth - eyes) / 1j))
    height = abs(((mouth - eyes) / (1j * across)).real)
    side = max(abs(right - left) / _ACROSS, height / _DOWN, 1.0)
    return Frame(complex((eyes + mouth) / 2 - 1j * across * _RAISED * side), across, float(side))


def eye_frame(outer: complex, inner: complex) -> Frame:
    """Return the square around an eye by its corners: the left one in the upright face first."""
    return Frame((outer + inner) / 2, _unit(inner - outer), max(abs(inner - outer) * _EYE, 1.0))


def small_frame(frame: Frame) -> Frame:
    """Return the part of a face's frame that the networks for age, gender and emotions see."""
    # As far down as the frame is raised, so that eyes and mouth are at the same distance.
    middle = frame.middle + 1j * frame.across * _RAISED * frame.side
    return Frame(middle, frame.across, frame.side * _PART)


def _unit(vector: Any) -> complex:
    length = abs(vector)
    return complex(vector / length) if length else 1 + 0j
