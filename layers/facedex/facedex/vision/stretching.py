"""Correction of vectors for blur, as blurred faces resemble each other more than sharp ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Stretch:
    """A factor by which a vector's distance from the mean of all faces is multiplied.

    A network that compares by distance maps blurred faces to vectors nearer to that mean. Two
    strangers in blurred photos are then as close as relatives in sharp photos, and the same
    threshold has different false match rates. The factor depends on the detail of the chip only,
    so the ranking of faces with about the same detail does not change.

    Attributes:
        centre: (d,) the mean of many people's vectors.
        log_detail, log_factor: (k,) each, the first ascending; the function is linear between the
            points and constant beyond them.
    """

    centre: Floats
    log_detail: NDArray[np.float64]
    log_factor: NDArray[np.float64]

    @classmethod
    def of(
        cls, *, centre: Sequence[float], detail: Sequence[float], factor: Sequence[float]
    ) -> Stretch:
        """Return the correction that a manifest describes.

        Args:
            centre: (d,) the mean of many people's vectors.
            detail: (k,) ascending.
            factor: (k,) the factor at each detail.

        Raises:
            ValueError: if details do not ascend or their number differs from the factors'.
        """
        details, factors = np.log(np.array(detail)), np.log(np.array(factor))
        if details.shape != factors.shape or not np.all(np.diff(details) > 0):
            raise ValueError("A stretch needs ascending details and a factor for each of them.")
        return cls(np.array(centre, dtype=np.float32), details, factors)

    def apply(self, vectors: Floats, detail: Floats) -> Floats:
        """Return corrected vectors (n, d) of faces whose chips have this detail (n,)."""
        places = np.log(np.maximum(detail, 1e-6))
        factors = np.exp(np.interp(places, self.log_detail, self.log_factor))
        stretched = self.centre + (vectors - self.centre) * factors[:, None]
        return np.asarray(stretched, dtype=np.float32)
