"""Chips to unit vectors: the ArcFace and SFace embedders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedex.vision.alignment import UPRIGHT
from facedex.vision.sessions import Network

Floats = NDArray[np.float32]


class ArcFace:
    """ArcFace (Deng et al., arXiv:1801.07698), as InsightFace runs it: 512 values.

    Input of the model: chips (n, 3, 112, 112) RGB, -1..1. Only the chip itself is embedded: no
    weights were at hand to measure whether averaging with its mirror image helps.
    """

    BATCH = 8  # faces at a time, where the network takes more than one
    MEAN, SCALE = 127.5, 127.5  # of its input
    views = (UPRIGHT,)

    def __init__(self, path: Path, *, dimension: int, threads: int) -> None:
        self.network = Network(path, threads=threads)
        self._dimension = dimension

    def embed(self, chips: NDArray[np.uint8]) -> Floats:
        """Return unit vectors (n, dimension) of aligned chips (n, 112, 112, 3) RGB."""
        vectors = np.empty((len(chips), self._dimension), dtype=np.float32)
        # A batch axis that is not free is 1.
        step = 1 if isinstance(self.network.axes[0], int) else self.BATCH
        for start in range(0, len(chips), step):
            batch = chips[start : start + step].transpose(0, 3, 1, 2).astype(np.float32)
            vectors[start : start + step] = self.network.run((batch - self.MEAN) / self.SCALE)[0]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


class SFace(ArcFace):
    """SFace (Zhong et al., IEEE TIP 30:2587, 2021), as OpenCV runs it: 128 values.

    Input of the model: chips (1, 3, 112, 112) RGB, 0..255; it scales them itself.
    """

    MEAN, SCALE = 0.0, 1.0
