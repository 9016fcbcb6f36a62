"""SFace as plain values, which its two writers turn into ONNX."""

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
        """Whether each output channel comes from one input channel."""
        return self.groups > 1

    @property
    def channels(self) -> int:
        """The number of output channels."""
        return len(self.biases)


@dataclass(frozen=True, eq=False)
class Dense:
    """The last layer: every value of the last convolution to every value of the embedding."""

    weights: Doubles  # (out, channels, rows, columns)
    biases: Doubles  # (out,)


@dataclass(frozen=True, eq=False)
class Network:
    """Normalised pixels (pixel - MEAN) / SCALE through the layers in turn, then the dense one."""

    side: int  # of a chip, pixels
    layers: tuple[Layer, ...]
    dense: Dense
