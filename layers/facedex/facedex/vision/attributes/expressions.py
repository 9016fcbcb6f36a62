"""The expressions of a face, with probabilities that hold for photos of people."""

from __future__ import annotations

import numpy as np

from facedex.vision.attributes.crops import Floats

# The order is that of values.EMOTIONS. The network was trained on FER-2013, in whose photos a face
# is afraid as often as calm. Its answers are corrected for how often each expression is seen in
# photos of people: smiles are those counted on 441 faces of Labeled Faces in the Wild, the others
# estimates. See docs/attributes.md.
_IN_TRAINING = np.array([0.138, 0.015, 0.143, 0.251, 0.169, 0.110, 0.173], dtype=np.float32)
_IN_PHOTOS = np.array([0.04, 0.01, 0.01, 0.37, 0.04, 0.03, 0.50], dtype=np.float32)


def emotions(chances: Floats) -> list[float]:
    """Return the probability in percent of each expression.

    Args:
        chances: (7,) the network's probabilities.
    """
    corrected = chances * _IN_PHOTOS / _IN_TRAINING
    percent: list[float] = (100 * corrected / corrected.sum()).tolist()
    return percent
