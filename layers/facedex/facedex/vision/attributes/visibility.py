"""Answers about eyes and mouths outside the picture, which cannot be given with confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from facedex.vision.attributes.crops import Floats
from facedex.vision.attributes.values import Attribute

# Half the height of an eye and what is around it, in sides of the face's chip: that of the part
# that is dark with sunglasses; see heads.py.
_AROUND_EYE: Final = 0.041
# From a corner of the mouth to where answers about it are as often right as in whole faces, in
# sides of the face's chip: measured on 415 faces of Labeled Faces in the Wild, each cut off four
# times anywhere between nose and chin.
_AROUND_MOUTH: Final = 0.13
# The probability in percent of what cannot be seen: "no", with the least Confidence there is.
_UNKNOWN: Final = 49.9
_OF_EYES: Final = frozenset(
    {
        Attribute.EYEGLASSES,
        Attribute.SUNGLASSES,
        Attribute.EYES_OPEN,
        Attribute.FACE_OCCLUDED,  # sunglasses are the only occlusion that is found
    }
)
_OF_MOUTH: Final = frozenset(
    {Attribute.SMILE, Attribute.MOUTH_OPEN, Attribute.BEARD, Attribute.MUSTACHE}
)


class Visible(NamedTuple):
    """How much of a face is in the picture, 0..1.

    It is 1 if the part is inside with all around it, and 0 if its middle is on the edge or outside.
    """

    eyes: float
    mouth: float


def visible(landmarks: Floats, side: float, size: Floats) -> Visible:
    """Return how much is in the picture, by the eye and the corner that are farther inside.

    The detector puts an eye or a corner of the mouth that is outside on the edge, or beyond it.

    Args:
        landmarks: (5, 2) x y in pixels: eyes, nose, corners of the mouth.
        side: of the face's chip, in pixels.
        size: (2,) width and height of the picture.
    """
    depths = np.minimum(landmarks, size - landmarks).min(axis=1)
    eyes, mouth = depths[:2].max() / _AROUND_EYE, depths[3:].max() / _AROUND_MOUTH
    return Visible(float(np.clip(eyes / side, 0, 1)), float(np.clip(mouth / side, 0, 1)))


def doubted(answers: Mapping[Attribute, float], seen: Visible) -> dict[Attribute, float]:
    """Return probabilities in percent, which count as far as what they are about is seen."""
    shares = dict.fromkeys(_OF_EYES, seen.eyes) | dict.fromkeys(_OF_MOUTH, seen.mouth)
    return {
        name: chance if (share := shares[name]) == 1 else _UNKNOWN + (chance - _UNKNOWN) * share
        for name, chance in answers.items()
    }
