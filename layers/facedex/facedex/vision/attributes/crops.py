"""Upright square crops of faces and eyes, from which the attribute networks read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment

Floats = NDArray[np.float32]
Complex = NDArray[np.complex128]
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
_FINER: Final = 2  # samples in each direction for a pixel of a chip; see Frame.cut
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

    def cut(self, pixels: Pixels, size: int, finer: int = _FINER) -> Pixels:
        """Return the square as a chip (size, size, 3); black outside the picture.

        Args:
            pixels: (rows, columns, 3) the picture.
            size: side of the chip in pixels.
            finer: samples in each direction for a pixel of the chip. The mean of four nearest
                pixels takes less than half the time of an interpolation, and moves the points of
                the mesh as little. 1 is an interpolation, with which ages are steadier.
        """
        scale = self.side / size
        if scale < _ENLARGED:
            # The small face of a photo deserves the better and slower enlargement.
            points = self.middle + _SQUARE * self.across * self.side
            places = np.stack([points.real, points.imag], axis=1)[None].astype(np.float32)
            enlarged: Pixels = alignment.align(pixels, places, _PLACES * size, size)[0]
            return enlarged
        # Imported here, so that functions without images do not load it.
        from PIL import Image as pillow

        reach = self.side * (abs(self.across.real) + abs(self.across.imag)) / 2 + 2 * scale
        rows, columns = pixels.shape[:2]
        left, right = _within(self.middle.real, reach, columns)
        top, bottom = _within(self.middle.imag, reach, rows)
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
        step = self.across * scale / factor / finer
        chip = picture.transform(
            (finer * size, finer * size),
            pillow.Transform.AFFINE,
            (step.real, -step.imag, corner.real, step.imag, step.real, corner.imag),
            pillow.Resampling.BILINEAR if finer == 1 else pillow.Resampling.NEAREST,
        )
        return np.asarray(chip.reduce(finer) if finer > 1 else chip)


def to_picture(frames: Sequence[Frame], points: Complex, size: int) -> Complex:
    """Return points (n, k) of the chips of n frames, of that size, as points of the picture."""
    middles = np.array([frame.middle for frame in frames])[:, None]
    sides = np.array([frame.side * frame.across for frame in frames])[:, None]
    return np.asarray((points / size - (0.5 + 0.5j)) * sides + middles)


def face_frame(landmarks: Floats) -> Frame:
    """Return the upright square around a face.

    Args:
        landmarks: (5, 2) x y in pixels: eyes, nose, mouth corners.
    """
    left, right, _, mouth_left, mouth_right = (complex(*point) for point in landmarks.tolist())
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    # The direction across the face, by the eyes and mouth together and by the line between them.
    across = _unit(_unit(right - left + mouth_right - mouth_left) + _unit((mouth - eyes) / 1j))
    height = abs(((mouth - eyes) / (1j * across)).real)
    side = max(abs(right - left) / _ACROSS, height / _DOWN, 1.0)
    return Frame((eyes + mouth) / 2 - 1j * across * _RAISED * side, across, side)


def eye_frame(outer: complex, inner: complex) -> Frame:
    """Return the square around an eye by its corners: the left one in the upright face first."""
    return Frame((outer + inner) / 2, _unit(inner - outer), max(abs(inner - outer) * _EYE, 1.0))


def small_frame(frame: Frame) -> Frame:
    """Return the part of a face's frame that the networks for age, gender and emotions see."""
    # As far down as the frame is raised, so that eyes and mouth are at the same distance.
    middle = frame.middle + 1j * frame.across * _RAISED * frame.side
    return Frame(middle, frame.across, frame.side * _PART)


def _within(middle: float, reach: float, size: int) -> tuple[int, int]:
    """Return the part of 0..size that is no farther than `reach` from the middle."""
    return max(0, min(int(middle - reach), size)), max(0, min(int(middle + reach + 1), size))


def _unit(vector: complex) -> complex:
    length = abs(vector)
    return vector / length if length else 1 + 0j
