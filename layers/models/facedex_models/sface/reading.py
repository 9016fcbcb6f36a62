"""Reader of OpenCV Zoo's block-quantised SFace (`face_recognition_sface_2021dec_int8bq.onnx`).

The network is a chain: normalisation of the pixels, convolutions each with a batch normalisation
and a PRelu, a batch normalisation, and a dense layer with another batch normalisation. The weights
are 8-bit integers with a scale and a zero point for every block of at most 64 along one axis. The
file also declares unused weights as inputs, so ONNX Runtime rejects it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from facedex_models.model_errors import UnreadableModel
from facedex_models.sface.network import MEAN, SCALE, Dense, Doubles, Layer, Network

_INPUT = "data"


def parse(data: bytes) -> Network:
    """Read the network; batch normalisations are folded into the layers before them.

    Raises:
        UnreadableModel: if the file is not this network.
    """
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise UnreadableModel("The SFace file is not an ONNX model.") from error
    try:
        return _Reader(model.graph).read()
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UnreadableModel("The SFace file is not OpenCV Zoo's network.") from error


class _Reader:
    """Follow the chain of nodes from the input to the output."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._constants = _constants(graph)
        self._following: dict[str, onnx.NodeProto] = {}
        for node in graph.node:
            for name in node.input[:1]:
                _check(name not in self._following, "two nodes read the same value")
                self._following[name] = node
        self._latest = _INPUT

    def read(self) -> Network:
        side = self._side()
        self._check_constant("Sub", MEAN)
        self._check_constant("Mul", 1 / SCALE)
        layers: list[Layer] = []
        while self._next() == "Conv":
            layers.append(self._layer(layers[-1].channels if layers else 3))
        _check(len(layers) > 0, "it does not begin with a convolution")
        network = Network(side, tuple(layers), self._dense(layers[-1].channels))
        _check(not self._next(), "a node follows the dense layer")
        rows = side
        for layer in layers:
            rows = (rows + 2 * layer.padding - layer.weights.shape[2]) // layer.stride + 1
        _check(network.dense.weights.shape[2] == rows, "its dense layer has another input size")
        return _rectify(network)

    def _side(self) -> int:
        (entry,) = (value for value in self._graph.input if value.name == _INPUT)
        _, channels, rows, columns = (each.dim_value for each in entry.type.tensor_type.shape.dim)
        _check(channels == 3 and rows == columns > 0, "its input is not square with three colours")
        return int(rows)

    def _next(self) -> str:
        """Return the kind of the node that reads the latest value; empty at the end."""
        node = self._following.get(self._latest)
        return node.op_type if node else ""

    def _take(self, kind: str) -> tuple[onnx.NodeProto, list[Doubles], dict[str, Any]]:
        """Advance to the next node; return it, its constants and its attributes."""
        _check(self._next() == kind, f"it has {self._next() or 'no node'} instead of {kind}")
        node = self._following[self._latest]
        self._latest = node.output[0]
        constants = [self._constants[name] for name in node.input[1:] if name in self._constants]
        return node, constants, _attributes(node)

    def _check_constant(self, kind: str, expected: float) -> None:
        _, (constant,), _ = self._take(kind)
        _check(
            constant.size == 1 and constant.item() == expected, "its pixels are scaled differently"
        )

    def _layer(self, channels: int) -> Layer:
        node, (weights,), settings = self._take("Conv")
        groups = settings.get("group", 1)
        out, each, rows, columns = weights.shape
        (stride,), (padding,), (dilation,) = (
            set(settings[name]) for name in ("strides", "pads", "dilations")
        )
        _check(
            groups in (1, channels)
            and each * groups == channels
            and rows == columns
            and dilation == 1
            and (groups == 1 or out == channels),
            f"its convolution {node.name or node.output[0]} is of a different kind",
        )
        factor, shift = self._normalisation(out)
        _, (slopes,), _ = self._take("PRelu")
        return Layer(
            name=node.output[0],
            weights=weights * factor[:, None, None, None],
            biases=shift,
            slopes=slopes.reshape(out),
            stride=stride,
            padding=padding,
            groups=groups,
        )

    def _dense(self, channels: int) -> Dense:
        before, offset = self._normalisation(channels)
        self._take("Dropout")
        self._take("Flatten")
        _, (weights, biases), settings = self._take("Gemm")
        _check(
            settings.get("transB") == 1
            and not settings.get("transA")
            and settings.get("alpha", 1.0) == settings.get("beta", 1.0) == 1.0,
            "its dense layer is of a different kind",
        )
        size = round((weights.shape[1] / channels) ** 0.5)
        weights = weights.reshape(len(weights), channels, size, size)
        factor, shift = self._normalisation(len(weights))
        biases = biases.reshape(len(weights)) + weights.sum(axis=(2, 3)) @ offset
        weights = weights * before[:, None, None]
        return Dense(weights * factor[:, None, None, None], biases * factor + shift)

    def _normalisation(self, channels: int) -> tuple[Doubles, Doubles]:
        """Return a batch normalisation's factor and summand for each channel."""
        _, constants, settings = self._take("BatchNormalization")
        gain, shift, mean, variance = (constant.reshape(channels) for constant in constants)
        _check(bool((variance >= 0).all()), "a batch normalisation has a negative variance")
        factor = gain / np.sqrt(variance + settings["epsilon"])
        return factor, shift - mean * factor


def _constants(graph: onnx.GraphProto) -> dict[str, Doubles]:
    """Return all constants by name, with block-quantised weights dequantised."""
    stored = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    values: dict[str, Doubles] = {
        name: array.astype(np.float64) for name, array in stored.items() if array.ndim
    }
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            whole, scales, zeros = (stored[name] for name in node.input)
            settings = _attributes(node)
            # Computed in float32, as ONNX Runtime does.
            axis, size = settings["axis"], settings["block_size"]
            numbers = whole.astype(np.float32) - _spread(zeros, whole, axis, size)
            exact = numbers * _spread(scales, whole, axis, size)
            values[node.output[0]] = exact.astype(np.float64)
        elif node.op_type == "Reshape" and node.input[0] in values:
            shape = stored[node.input[1]].tolist()
            values[node.output[0]] = values[node.input[0]].reshape(shape)
    return values


def _spread(blocks: NDArray[Any], whole: NDArray[Any], axis: int, size: int) -> NDArray[np.float32]:
    """Repeat values of blocks along an axis, so that there is one for each element."""
    spread = np.repeat(blocks.astype(np.float32), size, axis=axis)
    return np.take(spread, range(whole.shape[axis]), axis=axis)


def _rectify(network: Network) -> Network:
    """Return an equivalent network without slopes above 1, in which every PRelu is a maximum.

    With a slope a > 1, PRelu(x) = -max(y, y / a) where y = -a · x: the layer is multiplied by -a,
    and the sign of the next layer's weights is changed.
    """
    layers: list[Layer] = []
    signs = np.ones(3)
    for layer in network.layers:
        weights = layer.weights
        weights = weights * (signs[:, None, None, None] if layer.depthwise else _inputs(signs))
        steep = layer.slopes > 1
        factors = np.where(steep, -layer.slopes, 1.0)
        layers.append(
            Layer(
                name=layer.name,
                weights=weights * factors[:, None, None, None],
                biases=layer.biases * factors,
                slopes=np.where(steep, 1 / np.maximum(layer.slopes, 1), layer.slopes),
                stride=layer.stride,
                padding=layer.padding,
                groups=layer.groups,
            )
        )
        signs = np.where(steep, -1.0, 1.0)
    dense = Dense(network.dense.weights * _inputs(signs), network.dense.biases)
    return Network(network.side, tuple(layers), dense)


def _inputs(signs: Doubles) -> Doubles:
    return signs[None, :, None, None]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _check(condition: bool, wrong: str) -> None:
    if not condition:
        raise UnreadableModel(f"The SFace file has an unexpected form: {wrong}.")
