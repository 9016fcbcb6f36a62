"""Vectors that are distributed like those of people, for galleries of any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

LIMIT: Final = 10  # matches that searches ask for
SCORE: Final = 0.8  # the mean of two people with the default pack: no limit on the matches
# The share of the variance in the first principal axes of the default pack's vectors of 4,151
# people (LFW), and the length of the vectors without their mean.
_SHARES = {0: 0.0, 30: 0.43, 46: 0.56, 62: 0.66, 78: 0.75, 94: 0.82, 110: 0.885, 126: 0.935}
_SHARES |= {160: 0.977, 200: 0.999, 257: 1.0}
_SPREAD = 0.457


class People:
    """Vectors that are distributed like those of different people with the default pack.

    Args:
        seed: of the people that are drawn.
        like: a unit vector that is to be one of theirs. All are reflected so that it is, which
            leaves their scores with each other as they are.
    """

    def __init__(self, dimension: int, seed: int = 1, like: Vectors | None = None) -> None:
        self._random = np.random.default_rng(seed)
        points = np.arange(dimension + 1) * (257 / dimension)
        variances = np.diff(np.interp(points, list(_SHARES), list(_SHARES.values())))
        axes, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension, dimension)))
        self._axes = (np.sqrt(variances)[:, None] * axes * _SPREAD).astype(np.float32)
        self._mean = (axes[-1] * np.sqrt(1 - _SPREAD**2)).astype(np.float32)
        if like is not None:
            (someone,) = People(dimension, seed=0).draw(1)
            across = someone - like
            across /= max(float(np.linalg.norm(across)), 1e-9)
            self._axes -= 2 * np.outer(self._axes @ across, across)
            self._mean -= 2 * (self._mean @ across) * across

    def draw(self, count: int) -> Vectors:
        noise = self._random.standard_normal((count, len(self._mean)), dtype=np.float32)
        moved: Vectors = self._mean + noise @ self._axes
        return self._unit(moved)

    def other_photo(self, vector: Vectors) -> Vectors:
        """Return another vector of the same person."""
        (someone,) = self.draw(1)
        (other,) = self._unit((0.65 * vector + 0.35 * someone)[None])
        return np.asarray(other, np.float32)

    @staticmethod
    def _unit(vectors: Vectors) -> Vectors:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        rounded: Vectors = unit.astype(np.float16).astype(np.float32)
        return rounded


def batches(people: People, count: int, size: int) -> Iterator[Vectors]:
    """Yield the vectors of ``count`` people."""
    for start in range(0, count, size):
        yield people.draw(min(size, count - start))
