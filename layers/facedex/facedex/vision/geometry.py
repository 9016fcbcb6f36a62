"""Plane geometry of boxes and landmarks: pure functions on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def similarity_transforms(source: Floats, target: Floats) -> Floats:
    """Return the least-squares similarity transforms from `source` onto `target`.

    In the plane Umeyama's solution (IEEE PAMI 13:376, 1991) without reflection has a closed form:
    with points as complex numbers about their means, the factor is Σ conj(s)·t / Σ |s|².
    Coinciding source points are only translated.

    Args:
        source: (n, k, 2) points.
        target: (k, 2) points.

    Returns:
        (n, 2, 3): rotation, uniform scale and translation, so that
        `target ≈ result[:, :, :2] @ source + result[:, :, 2]`.
    """
    points = source[..., 0] + 1j * source[..., 1]
    goal = target[:, 0] + 1j * target[:, 1]
    middle = points.mean(axis=1, keepdims=True)
    centred = points - middle
    spread = (np.abs(centred) ** 2).sum(axis=1)
    product = (centred.conj() * (goal - goal.mean())).sum(axis=1)
    factor = np.where(spread > 0, product / np.where(spread > 0, spread, 1), 1)
    shift = goal.mean() - factor * middle[:, 0]
    rows = [factor.real, -factor.imag, shift.real, factor.imag, factor.real, shift.imag]
    return np.stack(rows, axis=1).reshape(-1, 2, 3).astype(np.float32)


def invert(transforms: Floats) -> Floats:
    """Return the inverses of affine transforms (n, 2, 3)."""
    linear = np.linalg.inv(transforms[:, :, :2])
    return np.concatenate([linear, -linear @ transforms[:, :, 2:]], axis=2)


def apply(transforms: Floats, points: Floats) -> Floats:
    """Apply affine transforms (n, 2, 3) to points (n, k, 2)."""
    return points @ transforms[:, :, :2].transpose(0, 2, 1) + transforms[:, None, :, 2]


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
