"""Linear classifiers on the inner features of the emotion and the gender network.

They were fitted to faces of Labeled Faces in the Wild that were labelled by eye; see
docs/attributes.md. Each face is seen twice, also mirrored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facedex.vision.attributes.crops import Floats, Pixels
from facedex.vision.attributes.values import Attribute
from facedex.vision.quality import LUMA

FILE: Final = "heads.npz"

# Features beyond this many standard deviations say no more.
_FARTHEST: Final = 6.0
# Points of the mesh: corners of the mouth, and pairs of the upper and lower lip's inner edges.
_CORNERS: Final = (61, 291)
_LIPS: Final = ((13, 14), (82, 87), (312, 317))

# The brightness of the eyes in that of the cheeks, between sunglasses (three in four below 0.45)
# and other faces (19 in 20 above 0.53), and what it counts in log odds.
_SHADE: Final = 0.55
_DARKER: Final = 7.5
# Rows and columns of the small chip with the eyes, and with the cheeks below them.
_EYES: Final = (slice(18, 25), (slice(14, 26), slice(38, 50)))
_CHEEKS: Final = (slice(32, 40), (slice(14, 24), slice(40, 50)))

# The share of faces without sunglasses that a hand, a microphone or the like covers: 11 of 569.
_OTHERWISE_OCCLUDED: Final = 0.02

# The classifiers of the file, in its order. The first finds glasses of either kind.
GLASSES: Final = "GLASSES"
NAMES: Final = (
    GLASSES,
    Attribute.SUNGLASSES,
    Attribute.BEARD,
    Attribute.MUSTACHE,
    Attribute.SMILE,
    Attribute.MOUTH_OPEN,
)


@dataclass(frozen=True, eq=False)
class Heads:
    """The classifiers.

    Attributes:
        weights: (classifiers, features).
        scales: (classifiers, 3) of the weighted sum, of the gap between the lips, and a constant,
            whose sum is the log odds.
        means, deviations: (features,) of the features of faces.
    """

    weights: Floats
    scales: Floats
    means: Floats
    deviations: Floats

    @classmethod
    def load(cls, directory: Path) -> Heads:
        """Read the classifiers of a pack.

        Raises:
            OSError: if the file cannot be read.
            ValueError: if it is not one of this kind.
            KeyError: if it lacks a table.
        """
        with np.load(directory / FILE, allow_pickle=False) as file:
            weights = file["weights"].astype(np.float32) * file["steps"][:, None]
            return cls(
                weights,
                file["scales"],
                file["means"].astype(np.float32),
                file["deviations"].astype(np.float32),
            )

    def chances(
        self, features: Sequence[Floats], shade: float, gap: float | None = None
    ) -> Mapping[Attribute, float]:
        """Return the probability in percent of each attribute of a face.

        Args:
            features: (2, c, h, w) of each network: of the face, and of its mirror image.
            shade: see :func:`eye_shade`.
            gap: see :func:`lip_gap`; None to leave out MOUTH_OPEN.
        """
        rows = np.concatenate([each.reshape(2, -1) for each in features], axis=1)
        rows = ((rows - self.means) / self.deviations).clip(-_FARTHEST, _FARTHEST)
        sums = (rows @ self.weights.T).mean(axis=0)
        odds = self.scales @ np.array([0, 0, 1]) + self.scales[:, 0] * sums
        if gap is not None:
            odds = odds + self.scales[:, 1] * gap
        odds[NAMES.index(Attribute.SUNGLASSES)] += _DARKER * (_SHADE - shade)
        by_name = dict(zip(NAMES, (1 / (1 + np.exp(-odds))).tolist(), strict=True))
        glasses = by_name.pop(GLASSES)
        if gap is None:
            del by_name[Attribute.MOUTH_OPEN]
        dark = by_name[Attribute.SUNGLASSES] = min(by_name[Attribute.SUNGLASSES], glasses)
        by_name[Attribute.EYEGLASSES] = glasses - dark
        # Sunglasses are the only occlusion that is found.
        by_name[Attribute.FACE_OCCLUDED] = dark + (1 - dark) * _OTHERWISE_OCCLUDED
        return {Attribute(name): 100 * chance for name, chance in by_name.items()}


def halve(features: Floats) -> Floats:
    """Return features (n, c, h, w) at half their resolution."""
    n, c, h, w = features.shape
    return np.asarray(features.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5)))


def eye_shade(chip: Pixels) -> float:
    """Return the brightness of the eyes in that of the cheeks, in a face's small chip."""
    eyes, cheeks = (
        sum(float((chip[rows, each] @ LUMA).mean()) for each in columns)
        for rows, columns in (_EYES, _CHEEKS)
    )
    return eyes / max(cheeks, 1.0)


def lip_gap(mesh: Floats) -> float:
    """Return the mean distance between the lips of a mesh (468, 2), in tenths of the mouth."""
    gap = np.mean([np.linalg.norm(mesh[upper] - mesh[lower]) for upper, lower in _LIPS])
    width = np.linalg.norm(mesh[_CORNERS[0]] - mesh[_CORNERS[1]])
    return float(10 * gap / max(width, 1))
