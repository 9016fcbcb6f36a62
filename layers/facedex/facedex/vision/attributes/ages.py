"""The range of ages in which a face's age lies."""

from __future__ import annotations

from typing import Final

import numpy as np

from facedex.vision.attributes.crops import Floats
from facedex.vision.attributes.values import AgeRange

# The age that each class of the network stands for, as dlib weighs them.
_YEARS: Final = np.array([0.25, *range(1, 81)], dtype=np.float32)
# Half of a range's width: years, and share of the age. See docs/attributes.md.
_LEAST: Final = 3.0
_SHARE: Final = 0.22
_MOST: Final = 12.0


def age_range(chances: Floats) -> AgeRange:
    """Return the range of a face's age from the probabilities (81,) of the years 0 to 80."""
    mean = float(chances @ _YEARS)
    half = min(_LEAST + _SHARE * mean, _MOST)
    return AgeRange(max(0, round(mean - half)), round(mean + half))
