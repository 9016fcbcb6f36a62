"""Answers about eyes that lie outside the picture, which cannot be given with confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from facedex.vision.attributes.crops import Floats
from facedex.vision.attributes.values import Attribute

# Half the height of an eye and what is around it, in sides of the face's chip: that of the part
# that is dark with sunglasses; see heads.py.
_RADIUS: Final = 0.041
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


def eyes_in_picture(landmarks: Floats, side: float, size: Floats) -> float:
    """Return how much of the eyes is in the picture, by the eye that is farther inside.

    The detector puts an eye that is outside on the edge.

    Args:
        landmarks: (5, 2) x y in pixels, the eyes first.
        side: of the face's chip, in pixels.
        size: (2,) width and height of the picture.

    Returns:
        1 if the eye is inside with all around it, 0 if its middle is on the edge or outside.
    """
    eyes = landmarks[:2]
    depth = np.minimum(eyes, size - eyes).min(axis=1).max()
    return float(np.clip(depth / (_RADIUS * side), 0, 1))


def doubted(answers: Mapping[Attribute, float], share: float) -> dict[Attribute, float]:
    """Return probabilities in percent, of which those about the eyes count by their share."""
    if share == 1:
        return dict(answers)
    return {
        name: _UNKNOWN + (chance - _UNKNOWN) * share if name in _OF_EYES else chance
        for name, chance in answers.items()
    }
