"""Channels of an activation brought near to one range, so that one scale of 8 bits fits them all.

Cross-layer equalisation (Nagel et al., arXiv:1906.04721): the output of a convolution is
multiplied, channel by channel, and the weights of its readers are divided by the same. After a
Relu too that changes nothing in floats. In 8 bits a channel with small values would have a few
steps only; after it, it has nearly as many as the widest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from facedex_models.model_errors import UnreadableModel

# The largest absolute value of each channel of an activation, by the tensor's name.
Peaks = Mapping[str, Sequence[float]]

# A channel with the peak p is multiplied by (P / p) to this power; P is the highest peak. With a
# power of 1, all channels would have the same range, but the weights of the next layer would have
# very different ones, and few steps each: CenterFace's error is then 1.5 times as large.
EVENNESS = 0.75
# The maximum of a factor: a channel that is nearly always zero has no reliable peak.
MOST = 1000.0

# These operators work channel by channel, so their inputs and outputs have the same factors.
_SHARING = frozenset({"Relu", "Add"})
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})


def equalise(graph: onnx.GraphProto, peaks: Peaks) -> None:
    """Bring the channels of activations nearer to the range of their widest, in place.

    Activations that are added up or rectified share their factors, computed from all their peaks.

    Args:
        graph: the network.
        peaks: the largest absolute value of each channel of the activations.

    Raises:
        UnreadableModel: if an activation has another number of channels, or is computed or read by
            anything but convolutions, sums and rectifiers.
    """
    groups = _groups(graph)
    highest: dict[str, NDArray[np.float64]] = {}
    for name, values in peaks.items():
        if name not in groups:
            raise UnreadableModel(f"The network's activation {name!r} cannot be equalised.")
        most = highest.setdefault(groups[name], np.zeros(len(values)))
        if len(most) != len(values):
            raise _other_channels(name)
        np.maximum(most, np.array(values, np.float64), out=most)
    factors = {
        group: np.minimum((most.max() / np.maximum(most, 1e-12)) ** EVENNESS, MOST)
        for group, most in highest.items()
    }
    weights = {constant.name: constant for constant in graph.initializer}
    for node in graph.node:
        for name in (*node.input[:1], *node.output):
            if groups.get(name) in factors and node.op_type not in _CONVOLUTIONS | _SHARING:
                raise UnreadableModel(f"The network's activation {name!r} cannot be equalised.")
        if node.op_type in _CONVOLUTIONS:
            given, made = (
                factors.get(groups.get(name, "")) for name in (node.input[0], node.output[0])
            )
            _scale(node, weights, given, made)


def _groups(graph: onnx.GraphProto) -> dict[str, str]:
    """Return, for each activation, the first of those that have its factors."""
    groups: dict[str, str] = {}
    for node in graph.node:
        if node.op_type in _CONVOLUTIONS:
            groups[node.output[0]] = node.output[0]
        elif node.op_type in _SHARING and all(name in groups for name in node.input):
            joined = {groups[name] for name in node.input}
            first = next(group for group in groups.values() if group in joined)
            groups[node.output[0]] = first
            groups.update((name, first) for name in groups if groups[name] in joined)
    return groups


def _scale(
    node: onnx.NodeProto,
    weights: Mapping[str, onnx.TensorProto],
    given: NDArray[np.float64] | None,
    made: NDArray[np.float64] | None,
) -> None:
    """Divide a convolution's weights by the factors of its input, multiply by its output's.

    Raises:
        UnreadableModel: if the convolution has another number of channels.
    """
    kernel = weights[node.input[1]]
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    into, out = (0, 1) if node.op_type == "ConvTranspose" else (1, 0)
    if groups > 1:  # channel by channel
        into = out = 0
    for factors, name, axis in (
        (None if given is None else 1 / given, node.input[0], into),
        (made, node.output[0], out),
    ):
        if factors is None:
            continue
        if kernel.dims[axis] != len(factors) or (groups > 1 and kernel.dims[1] != 1):
            raise _other_channels(name)
        _multiply(kernel, np.expand_dims(factors, [each for each in range(4) if each != axis]))
    if made is not None:
        _multiply(weights[node.input[2]], made)


def _multiply(constant: onnx.TensorProto, factors: NDArray[np.float64]) -> None:
    scaled = (numpy_helper.to_array(constant) * factors).astype(np.float32)
    constant.CopyFrom(numpy_helper.from_array(scaled, constant.name))


def _other_channels(name: str) -> UnreadableModel:
    return UnreadableModel(f"The network's activation {name!r} has other channels.")
