"""Vectors that are compared by distance, brought to the unit sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# dlib's vectors are 1.2 to 1.7 long. A larger radius comes closer to the distance that dlib
# compares, and leaves less of half precision for the differences.
RADIUS = 2.0


def lift(vectors: Floats) -> Floats:
    """Return points (n, d + 1) on the unit sphere whose inner products rank as distances do.

    dlib's vectors are made to be compared by Euclidean distance, and their length distinguishes
    faces too. A vector x becomes (x / R, √(1 - |x|² / R²)). For two of about the same length the
    inner product is 1 - |x - y|² / 2 R². Longer ones than R are cut to R.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    inside = vectors / np.maximum(lengths, RADIUS)
    height = np.sqrt(np.maximum(1 - (inside**2).sum(axis=1, keepdims=True), 0))
    return np.concatenate([inside, height], axis=1)
