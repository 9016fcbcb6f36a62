"""The eyes by their contours and pupils: how far open, and where they look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from facedex.vision.attributes import crops, mesh
from facedex.vision.attributes.crops import CHIP, SMALL, Complex, Frame, Pixels
from facedex.vision.attributes.values import Gaze
from facedex.vision.sessions import Network

if TYPE_CHECKING:
    from PIL.Image import Image

# Corners of the left and of the right eye in the mesh: outer and inner, inner and outer.
_LEFT: Final = mesh.places((33, 133))
_RIGHT: Final = mesh.places((362, 263))

LIDS: Final = 16  # points of a contour
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
        lids: (2, LIDS) points x + iy of the contours, in the picture.
        pupils: (2,) points x + iy in the picture.
        opening: height of the opening in widths, mean of both.
        shifts: (2,) pupils from the middle between the corners, x to the right and y up, in widths.
        width: of the wider eye, pixels of the picture.
    """

    lids: Complex
    pupils: Complex
    opening: float
    shifts: Complex
    width: float

    @property
    def open_chance(self) -> float:
        """Probability in percent that the eyes are open."""
        return 100 / (1 + math.exp(-(_OPEN_SLOPE * self.opening + _OPEN_START)))

    def gaze(self, head_yaw: float, share: float) -> Gaze:
        """Return the direction in which both look, relative to the head.

        Args:
            head_yaw: the head's yaw in degrees: a turned head moves the corners of the eyes, which
                are in front of the eyeball's middle, to the same side as the pupils.
            share: how much of the eyes is in the picture, 0..1.
        """
        left, right = self.shifts.tolist()
        mean, head = (left + right) / 2, math.radians(head_yaw)
        side = (mean.real * math.cos(head) + _PLANE * math.sin(head)) / _PUPIL
        yaw = math.asin(max(-1, min(side, 1))) - head
        pitch = math.asin(max(-1, min((mean.imag - _RESTING) / _PUPIL, 1)))
        agreement = 1 / (1 + (abs(left - right) / _APART) ** 2)
        seen = self.width**2 / (self.width**2 + _FEWEST_PIXELS**2)
        confidence = self.open_chance * agreement * seen * share
        return Gaze(math.degrees(yaw), math.degrees(pitch), confidence)


def cut_eyes(
    chips: Sequence[Image], meshes: Complex
) -> tuple[list[tuple[Frame, Frame]], list[Pixels]]:
    """Return the squares of both eyes in each face's chip, and the iris network's inputs.

    An input is (2, SMALL, SMALL, 3); the right eye is mirrored.

    Args:
        chips: each face, CHIP x CHIP pixels.
        meshes: (n, points) points x + iy of the meshes in the chips.
    """
    corners = meshes[:, [*_LEFT, *_RIGHT]].tolist()
    squares = [(crops.eye_frame(*face[:2]), crops.eye_frame(*face[2:])) for face in corners]
    pairs = [
        np.stack(
            [
                np.asarray(left.cut_again(chip, SMALL)),
                np.asarray(crops.mirrored(right.cut_again(chip, SMALL))),
            ]
        )
        for chip, (left, right) in zip(chips, squares, strict=True)
    ]
    return squares, pairs


def find_eyes(
    network: Network, chips: Sequence[Image], meshes: Complex, frames: Sequence[Frame]
) -> list[Eyes]:
    """Return the eyes of each face.

    Args:
        network: the iris network.
        chips: each face, CHIP x CHIP pixels.
        meshes: (n, points) points x + iy of the meshes in the chips.
        frames: the chips' squares in the picture.
    """
    squares, pairs = cut_eyes(chips, meshes)
    # The network is as fast one face at a time as in larger batches.
    found = network.run_each(pairs)
    # Of each face and eye: the lids and the middle of the iris.
    points = np.stack([np.concatenate([lids, middles], axis=1) for lids, middles in found])
    points[:, 1, :, 0] = SMALL - points[:, 1, :, 0]
    places = points[..., 0] + 1j * points[..., 1]
    lids, pupils = places[..., :LIDS], places[..., LIDS]
    across = lids[..., list(_CORNERS)]
    widths = abs(across[..., 0] - across[..., 1]).clip(min=1)
    heights = (lids[..., list(_LOWER)] - lids[..., list(_UPPER)]).imag.mean(axis=-1)
    shifts = ((pupils - across.mean(axis=-1)) / widths).conj()
    openings = (heights / widths).mean(axis=-1).tolist()
    sides = np.array([[eye.side for eye in pair] for pair in squares])
    sizes = (widths / SMALL * sides).max(axis=-1) / CHIP * [frame.side for frame in frames]
    in_chips = crops.to_picture(
        [eye for pair in squares for eye in pair], places.reshape(-1, LIDS + 1), SMALL
    )
    in_picture = crops.to_picture(frames, in_chips.reshape(len(frames), -1), CHIP)
    in_picture = in_picture.reshape(places.shape)
    return [
        Eyes(eyes[:, :LIDS], eyes[:, LIDS], opening, shift, width)
        for eyes, opening, shift, width in zip(
            in_picture, openings, shifts, sizes.tolist(), strict=True
        )
    ]
