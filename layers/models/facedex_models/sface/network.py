"""SFace's layers and weights, from which the two ONNX models are built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

# The file's own normalisation: (pixel - 127.5) / 128.
MEAN = 127.5
SCALE = 128.0


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution, whose output x becomes max(x, slope · x); no slope is above 1."""

    name: str
    weights: Doubles  # (out, in / groups, k, k)
    biases: Doubles  # (out,)
    slopes: Doubles  # (out,)
    stride: int
    padding: int  # pixels on each side, of zeros
    groups: int  # 1, or as many as there are channels

    @property
    def depthwise(self) -> bool:
        """True if each output channel depends on one input channel only."""
        return self.groups > 1

    @property
    def channels(self) -> int:
        """The number of output channels."""
        return len(self.biases)


@dataclass(frozen=True, eq=False)
class Dense:
    """The last, fully connected layer."""

    weights: Doubles  # (out, channels, rows, columns)
    biases: Doubles  # (out,)


@dataclass(frozen=True, eq=False)
class Network:
    """The network: its input is (pixel - MEAN) / SCALE; the dense layer follows the others."""

    side: int  # of a chip, pixels
    layers: tuple[Layer, ...]
    dense: Dense
