"""Linear classifiers on the inner features of the emotion and the gender network.

They were fitted to faces of Labeled Faces in the Wild that were labelled by eye; see
docs/attributes.md. The emotion network sees each face also mirrored, which finds more glasses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facedex.vision.attributes import mesh
from facedex.vision.attributes.crops import Complex, Floats, Pixels
from facedex.vision.attributes.values import Attribute
from facedex.vision.quality import LUMA

FILE: Final = "heads.npz"

# Features beyond this many standard deviations say no more.
_FARTHEST: Final = 6.0
_LEAST_ODDS: Final = -80.0  # 32 bits hold the exponential of 88
# Points of the mesh: corners of the mouth, and inner edges of the lips, in pairs.
_CORNERS: Final = mesh.places((61, 291))
_UPPER_LIP: Final = mesh.places((13, 82, 312))
_LOWER_LIP: Final = mesh.places((14, 87, 317))

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
        self, features: Sequence[Floats], chips: Pixels, gaps: Floats | None = None
    ) -> list[dict[Attribute, float]]:
        """Return the probability in percent of each attribute of each face.

        Args:
            features: (n, views, c, h, w) of each network.
            chips: (n, SMALL, SMALL, 3) the faces.
            gaps: see :func:`lip_gaps`; None to leave out MOUTH_OPEN.
        """
        parts, start = [], 0
        for each in features:
            views = each.reshape(*each.shape[:2], -1)
            columns = slice(start, start := start + views.shape[2])
            views = (views - self.means[columns]) / self.deviations[columns]
            parts.append(views.clip(-_FARTHEST, _FARTHEST).mean(axis=1))
        rows = np.concatenate(parts, axis=1)
        odds = rows @ self.weights.T * self.scales[:, 0] + self.scales[:, 2]
        if gaps is not None:
            odds += gaps[:, None] * self.scales[:, 1]
        odds[:, NAMES.index(Attribute.SUNGLASSES)] += _DARKER * (_SHADE - eye_shades(chips))
        # The gap between lips outside the picture may be anything.
        chances = (100 / (1 + np.exp(-odds.clip(min=_LEAST_ODDS)))).tolist()
        return [_by_attribute(each, mouth=gaps is not None) for each in chances]


def _by_attribute(chances: Sequence[float], *, mouth: bool) -> dict[Attribute, float]:
    """Return the classifiers' probabilities in percent as those of the attributes."""
    glasses, sunglasses, beard, mustache, smile, mouth_open = chances
    # Both classifiers count: dark glasses also hide from the first one what it knows of glasses.
    dark = math.sqrt(sunglasses * glasses)
    glasses = max(glasses, dark)
    return {
        Attribute.SMILE: smile,
        Attribute.EYEGLASSES: glasses - dark,
        Attribute.SUNGLASSES: dark,
        Attribute.BEARD: beard,
        Attribute.MUSTACHE: mustache,
        **({Attribute.MOUTH_OPEN: mouth_open} if mouth else {}),
        # Sunglasses are the only occlusion that is found.
        Attribute.FACE_OCCLUDED: dark + (100 - dark) * _OTHERWISE_OCCLUDED,
    }


def halve(features: Floats) -> Floats:
    """Return features (n, c, h, w) at half their resolution."""
    rows = features[:, :, ::2] + features[:, :, 1::2]
    return np.asarray((rows[..., ::2] + rows[..., 1::2]) / 4)


def eye_shades(chips: Pixels) -> Floats:
    """Return the brightness of the eyes in that of the cheeks, in faces' small chips."""
    eyes, cheeks = (
        sum((chips[:, rows, each].mean(axis=(1, 2)) @ LUMA) for each in columns)
        for rows, columns in (_EYES, _CHEEKS)
    )
    return np.asarray(eyes / np.maximum(cheeks, 1))


def lip_gaps(meshes: Complex) -> Floats:
    """Return the mean distance between the lips of meshes (n, points), in tenths of the mouth."""
    gaps = abs(meshes[:, _UPPER_LIP] - meshes[:, _LOWER_LIP]).mean(axis=1)
    widths = abs(meshes[:, _CORNERS[0]] - meshes[:, _CORNERS[1]])
    return np.asarray(10 * gaps / np.maximum(widths, 1))
