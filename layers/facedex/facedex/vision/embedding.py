"""Chips to unit vectors: the dlib ResNet embedder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedex.vision.alignment import View
from facedex.vision.sessions import Network

Floats = NDArray[np.float32]


class DlibResnet:
    """dlib's face recognition ResNet (29 convolutions, 128 values), converted to ONNX.

    Input of the model: chips (n, 150, 150, 3) uint8 RGB. It sees each face twice, a little larger
    than dlib shows it: turned one way, and turned the other way and mirrored. The mean of two such
    vectors errs less, on every set measured, than that of a chip and its own mirror image; and a
    picture and its mirror image have the same one.
    """

    BATCH = 8  # faces at a time: more are no faster and take more memory
    views = (View(turn=4.0, zoom=1.1), View(turn=-4.0, zoom=1.1))

    def __init__(self, path: Path, *, dimension: int, threads: int) -> None:
        self.network = Network(path, threads=threads)
        self._dimension = dimension

    def embed(self, chips: NDArray[np.uint8]) -> Floats:
        """Return unit vectors (n, 129) of chips (2 n, 150, 150, 3) RGB.

        The chips are all faces in the first view, then all in the second.
        """
        faces = len(chips) // 2
        means = np.empty((faces, self._dimension - 1), dtype=np.float32)
        for start in range(0, faces, self.BATCH):
            end = min(start + self.BATCH, faces)
            mirrored = chips[faces + start : faces + end, :, ::-1]
            both = self.network.run(np.concatenate([chips[start:end], mirrored]))[0]
            means[start:end] = (both[: end - start] + both[end - start :]) / 2
        return lift(means)


# dlib's vectors are 1.2 to 1.7 long. A larger radius comes closer to the distance that dlib
# compares, and leaves less of half precision for the differences.
RADIUS = 2.0


def lift(vectors: Floats) -> Floats:
    """Return points (n, d + 1) on the unit sphere whose inner products rank as distances do.

    dlib's vectors are made to be compared by Euclidean distance, and their length tells faces
    apart too. A vector x becomes (x / R, √(1 - |x|² / R²)). For two of about the same length the
    inner product is 1 - |x - y|² / 2 R². Longer ones than R are cut to R.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    inside = vectors / np.maximum(lengths, RADIUS)
    height = np.sqrt(np.maximum(1 - (inside**2).sum(axis=1, keepdims=True), 0))
    return np.concatenate([inside, height], axis=1)
