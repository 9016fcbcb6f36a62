"""Assignment of the faces in a frame to the faces of the frames before."""

from __future__ import annotations

from typing import Final

import lap
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Costs are distances in sizes of the face (the square root of its box's area).
GATE: Final = 1.0  # beyond it lies another face
GROWTH: Final = 1.5  # cost of growing e times
DOUBT: Final = 0.45  # from here on, the face's vector is compared
UNSURE: Final = 0.7  # in doubt and without a vector, nothing further away is the same face
RIVAL: Final = 0.9  # two candidates this near to each other are in doubt
FORBIDDEN: Final = 1e6


def distances(expected: Floats, expected_sizes: Floats, found: Floats, sizes: Floats) -> Floats:
    """Return the distances of faces (m) from the expected places of tracks (n): (n, m).

    A distance is the mean distance of the landmarks, in mean sizes of the face, plus ``GROWTH``
    times the logarithm of the ratio of the sizes.

    Args:
        expected: (n, 5, 2) landmarks of the tracks, in pixels.
        expected_sizes: (n,) pixels.
        found: (m, 5, 2) landmarks of the faces, in pixels.
        sizes: (m,) pixels.
    """
    gaps = expected[:, None] - found[None]  # (n, m, 5, 2)
    apart = np.hypot(gaps[..., 0], gaps[..., 1]).mean(axis=2)
    mean = (expected_sizes[:, None] + sizes[None]) / 2
    growth = np.abs(np.log(expected_sizes[:, None] / sizes[None]))
    return np.asarray(apart / np.maximum(mean, 1) + GROWTH * growth, dtype=np.float32)


def doubtful(costs: Floats) -> NDArray[np.bool_]:
    """Return the pairs (n, m) within reach that are in doubt.

    They lie far from the expected place, or the track or the face has another candidate about as
    near.
    """
    near = costs < GATE
    doubt = near & (costs > DOUBT)
    rivals = near & (costs < RIVAL)
    crowded = (rivals.sum(axis=1, keepdims=True) > 1) | (rivals.sum(axis=0, keepdims=True) > 1)
    return np.asarray(doubt | (near & crowded))


def assign(costs: Floats) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least total cost, none of them above the gate.

    Jonker and Volgenant, Computing 38:325, 1987.
    """
    if not costs.size:
        return []
    bounded = np.where(costs < GATE, costs, FORBIDDEN).astype(np.float64)
    _, columns, _ = lap.lapjv(bounded, extend_cost=True, cost_limit=GATE)
    return [(row, int(column)) for row, column in enumerate(columns) if column >= 0]
