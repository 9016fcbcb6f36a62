"""Assignment of the faces in a frame to those of earlier frames."""

from __future__ import annotations

from typing import Final

import lap
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Costs are distances in units of the face's size (the square root of its box's area).
GATE: Final = 1.0  # a face at a higher cost is another face
GROWTH: Final = 1.5  # cost of growing or shrinking by a factor of e
DOUBT: Final = 0.45  # above this cost, vectors are compared
UNSURE: Final = 0.7  # above this cost, a doubtful pair without vectors is not the same face
RIVAL: Final = 0.9  # several candidates below this cost are doubtful
FORBIDDEN: Final = 1e6


def distances(expected: Floats, expected_sizes: Floats, found: Floats, sizes: Floats) -> Floats:
    """Return the distances of faces from the expected positions of tracks.

    A distance is the mean distance of the landmarks, in mean sizes of the face, plus ``GROWTH``
    times the absolute logarithm of the change in size.

    Args:
        expected: (n, 5, 2) expected landmarks of the tracks, pixels.
        expected_sizes: (n,) sizes of the tracks' faces, pixels.
        found: (m, 5, 2) landmarks of the faces, pixels.
        sizes: (m,) sizes of the faces, pixels.

    Returns:
        (n, m) distances.
    """
    gaps = expected[:, None] - found[None]  # (n, m, 5, 2)
    apart = np.hypot(gaps[..., 0], gaps[..., 1]).mean(axis=2)
    mean = (expected_sizes[:, None] + sizes[None]) / 2
    growth = np.abs(np.log(expected_sizes[:, None] / sizes[None]))
    return np.asarray(apart / np.maximum(mean, 1) + GROWTH * growth, dtype=np.float32)


def doubtful(costs: Floats) -> NDArray[np.bool_]:
    """Return a mask (n, m) of the possible pairs that are doubtful.

    A pair is doubtful if the face is far from the expected position, or if the track or the face
    has another candidate at a similar distance.
    """
    near = costs < GATE
    doubt = near & (costs > DOUBT)
    rivals = near & (costs < RIVAL)
    crowded = (rivals.sum(axis=1, keepdims=True) > 1) | (rivals.sum(axis=0, keepdims=True) > 1)
    return np.asarray(doubt | (near & crowded))


def assign(costs: Floats) -> list[tuple[int, int]]:
    """Return the pairs (row, column) with the lowest total cost, each below ``GATE``.

    Jonker and Volgenant, Computing 38:325, 1987.
    """
    if not costs.size:
        return []
    bounded = np.where(costs < GATE, costs, FORBIDDEN).astype(np.float64)
    _, columns, _ = lap.lapjv(bounded, extend_cost=True, cost_limit=GATE)
    return [(row, int(column)) for row, column in enumerate(columns) if column >= 0]
