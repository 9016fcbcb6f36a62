"""Plane geometry of boxes and landmarks: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Similarity(NamedTuple):
    """A similarity transform of the plane without reflection: a point z becomes factor · z + shift.

    Points are complex numbers, x + iy. Arrays would take several times as long for the few points
    of a face, above all when a network has just used the processor's caches.
    """

    factor: complex
    shift: complex

    @classmethod
    def fit(cls, source: Sequence[complex], target: Sequence[complex]) -> Similarity:
        """Return the least-squares transform from points onto as many others.

        In the plane Umeyama's solution (IEEE PAMI 13:376, 1991) without reflection has a closed
        form: with points s and t about their means, the factor is Σ conj(s)·t / Σ |s|². Points
        that coincide, or have no direction in common with the others, are only translated.
        """
        middle, goal = sum(source) / len(source), sum(target) / len(target)
        product, spread = 0j, 0.0
        for one, other in zip(source, target, strict=True):
            offset = one - middle
            product += offset.conjugate() * (other - goal)
            spread += offset.real**2 + offset.imag**2
        factor = product / spread if product and spread else 1 + 0j
        return cls(factor, goal - factor * middle)

    @property
    def inverse(self) -> Similarity:
        """The transform back."""
        return Similarity(1 / self.factor, -self.shift / self.factor)

    def move(self, point: complex) -> complex:
        """Return where a point comes to lie."""
        return self.factor * point + self.shift

    def apply(self, points: Floats) -> Floats:
        """Return where points (..., 2) x y come to lie."""
        moved = self.factor * (points[..., 0] + 1j * points[..., 1]) + self.shift
        return np.stack([moved.real, moved.imag], axis=-1).astype(np.float32)

    @property
    def coefficients(self) -> tuple[float, float, float, float, float, float]:
        """The rows of the affine transform, as Pillow takes them."""
        turn, shift = self
        return turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag


def complexes(points: Floats) -> list[complex]:
    """Return points (n, 2) x y as complex numbers."""
    return [complex(x, y) for x, y in points.tolist()]


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Return the intersection over union of one box (4,) with boxes (n, 4), x1 y1 x2 y2."""
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    shared = width.clip(min=0) * height.clip(min=0)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    both = (box[2] - box[0]) * (box[3] - box[1]) + areas - shared
    return np.asarray(shared / np.maximum(both, np.finfo(np.float32).tiny))


def suppress(boxes: Floats, scores: Floats, overlap: float) -> NDArray[np.intp]:
    """Return the indices that greedy non-maximum suppression keeps, highest score first.

    Args:
        boxes: (n, 4) x1 y1 x2 y2.
        scores: (n,).
        overlap: a box is removed if its intersection over union with a kept box of higher score
            is above this.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[overlaps(boxes[best], boxes[order]) <= overlap]
    return np.array(kept, dtype=np.intp)
