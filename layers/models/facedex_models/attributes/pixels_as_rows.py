"""The entry of a network whose first layer is a convolution: rows of R, G, B, R, G, B as they are.

A convolution of three channels with k columns and a stride of s is one of a single channel with 3 k
columns and a stride of 3 s, if the channels are the last axis. So the pixels need not be
transposed, which for a large chip takes as long as a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from facedex_models.onnx_graph import Graph

_CHANNELS = 3


def enter(graph: Graph, side: int) -> str:
    """Add the conversion of chips to floats (n, 1, side, 3 side) and return the output's name."""
    graph.add("Cast", to=TensorProto.FLOAT)
    return graph.add("Reshape", graph.constant("rows", np.array([0, 1, side, _CHANNELS * side])))


def spread(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (out, 3, rows, columns) as those of the same convolution of rows."""
    return weights.transpose(0, 2, 3, 1).reshape(len(weights), 1, weights.shape[2], -1)


def widen(across: Sequence[int]) -> list[int]:
    """Return strides (down, across) or paddings (above, left, below, right) for rows."""
    return [step * (_CHANNELS if place % 2 else 1) for place, step in enumerate(across)]
