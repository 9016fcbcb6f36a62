"""Channels of an activation brought to one range, so that one scale of 8 bits fits them all.

Cross-layer equalisation (Nagel et al., arXiv:1906.04721): what a convolution gives is multiplied,
channel by channel, and what its readers make of it divided by the same. Behind a Relu too that
changes nothing in floats. In 8 bits a channel whose values are small would have a few steps only;
so it has as many as the widest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from facedex_models.errors import UnreadableModel

# The largest value of each channel of an activation, by the tensor's name.
Peaks = Mapping[str, Sequence[float]]

# A channel is multiplied by no more: one that is nearly always zero has nothing to be measured by.
MOST = 1000.0


def equalise(graph: onnx.GraphProto, peaks: Peaks) -> None:
    """Bring the channels of activations to the range of their widest, in place.

    Raises UnreadableModel for an activation that is not a convolution's, rectified or not, or has
    other channels, or is read by anything but convolutions of all channels.
    """
    weights = {constant.name: constant for constant in graph.initializer}
    produced = {name: node for node in graph.node for name in node.output}
    for name, values in peaks.items():
        source = produced.get(name)
        if source is not None and source.op_type == "Relu":
            source = produced.get(source.input[0])
        readers = [node for node in graph.node if name in node.input]
        if source is None or any(not _mixes(node) for node in (source, *readers)):
            raise UnreadableModel(f"The network's activation {name!r} cannot be equalised.")
        highest = np.array(values, np.float64)
        factors = np.minimum(highest.max() / np.maximum(highest, 1e-12), MOST)
        if weights[source.input[1]].dims[0] != len(factors):
            raise UnreadableModel(f"The network's activation {name!r} has other channels.")
        _scale(weights[source.input[1]], factors[:, None, None, None])
        _scale(weights[source.input[2]], factors)
        for node in readers:
            _scale(weights[node.input[1]], 1 / factors[None, :, None, None])


def _mixes(node: onnx.NodeProto) -> bool:
    """Return whether each output of a node comes of all channels: an ungrouped convolution's."""
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    return node.op_type == "Conv" and groups == 1 and len(node.input) == 3


def _scale(constant: onnx.TensorProto, factors: NDArray[np.float64]) -> None:
    scaled = (numpy_helper.to_array(constant) * factors).astype(np.float32)
    constant.CopyFrom(numpy_helper.from_array(scaled, constant.name))
