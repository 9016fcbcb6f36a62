"""Upright square crops of faces and eyes, from which the attribute networks read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

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

# The part of the face's chip that the small chip shows: that of dlib's chips with a padding of
# 0.2, on which the networks for age and gender were trained.
_PART: Final = 0.746
_EYE: Final = 2.3  # sides of an eye's chip in the distance between its corners, as in MediaPipe

# Pixels of the picture in one of a chip, below which the picture is enlarged before it is sampled,
# and the least of them after that.
_ENLARGED: Final = 0.6
_AFTERWARDS: Final = 1.0
# Places within a pixel of a chip at which the picture is sampled. The mean of two nearest pixels
# takes a third of the time of an interpolation, and moves the points of the mesh as little.
_SAMPLES: Final = (-0.25 - 0.25j, 0.25 + 0.25j)


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

    def cut(self, picture: Image, size: int) -> Image:
        """Return the square of a picture as a chip of size x size pixels; black outside of it."""
        # Imported here, so that functions without images do not load it.
        from PIL import Image as pillow

        left, top, right, bottom = self._region(*picture.size, size)
        if left == right or top == bottom:
            return pillow.new("RGB", (size, size))
        region = picture.crop((left, top, right, bottom))
        return replace(self, middle=self.middle - complex(left, top)).cut_again(region, size)

    def cut_again(self, picture: Image, size: int) -> Image:
        """Return the square of a picture that is not much larger, such as a chip, as a chip."""
        from PIL import Image as pillow

        scale = self.side / size
        if scale < _ENLARGED:
            box = left, top, right, bottom = self._region(*picture.size, size)
            if left == right or top == bottom:
                return pillow.new("RGB", (size, size))
            times = math.ceil(_AFTERWARDS / scale)
            enlarged = (right - left) * times, (bottom - top) * times
            picture = picture.resize(enlarged, pillow.Resampling.BICUBIC, box)
            middle = (self.middle - complex(left, top)) * times
            frame = Frame(middle, self.across, self.side * times)
        elif (times := int(scale)) > 1:
            picture = picture.reduce(times)
            frame = Frame(self.middle / times, self.across, self.side / times)
        else:
            frame = self
        one, other = (frame._sample(picture, size, place) for place in _SAMPLES)
        return pillow.blend(one, other, 0.5)

    def _sample(self, picture: Image, size: int, place: complex) -> Image:
        """Return the pixels of a picture nearest to a place within each pixel of a chip."""
        from PIL import Image as pillow

        step = self.across * self.side / size
        corner = self.middle - self.side * self.across * (0.5 + 0.5j) + place * step
        return picture.transform(
            (size, size),
            pillow.Transform.AFFINE,
            (step.real, -step.imag, corner.real, step.imag, step.real, corner.imag),
            pillow.Resampling.NEAREST,
        )

    def _region(self, columns: int, rows: int, size: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom of the part of a picture that a chip shows."""
        reach = self.side * (abs(self.across.real) + abs(self.across.imag)) / 2
        reach += 2 * max(self.side / size, 1)
        left, right = _within(self.middle.real, reach, columns)
        top, bottom = _within(self.middle.imag, reach, rows)
        return left, top, right, bottom


def small_chip(chip: Image) -> Image:
    """Return what the networks for age, gender and emotions see of a face's chip."""
    from PIL import Image as pillow

    half = _PART * chip.width / 2
    # As far down as the chip is raised, so that eyes and mouth are at the same distance.
    across, down = chip.width / 2, (0.5 + _RAISED) * chip.height
    box = (across - half, down - half, across + half, down + half)
    return chip.resize((SMALL, SMALL), pillow.Resampling.HAMMING, box)


def mirrored(chip: Image) -> Image:
    """Return a chip's mirror image, in less time than NumPy takes."""
    from PIL import Image as pillow

    return chip.transpose(pillow.Transpose.FLIP_LEFT_RIGHT)


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


def _within(middle: float, reach: float, size: int) -> tuple[int, int]:
    """Return the part of 0..size that is no farther than `reach` from the middle."""
    return max(0, min(int(middle - reach), size)), max(0, min(int(middle + reach + 1), size))


def _unit(vector: complex) -> complex:
    length = abs(vector)
    return vector / length if length else 1 + 0j
