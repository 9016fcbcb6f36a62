"""Networks in 8 bits: a third of the time, a quarter of the bytes, nearly the same vectors.

Static quantisation as ONNX Runtime executes it: a pair of QuantizeLinear and DequantizeLinear at
every activation (uint8), weights int8 with a scale for each output channel, biases int32. The
activations' ranges were measured once (`facedex_cli/evaluation/ranges.py`) and come with the pack,
so no photo is needed to build a network, and the same file comes out every time.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facedex_models.activation_statistics import Means, Ranges
from facedex_models.equalising import Peaks
from facedex_models.model_errors import UnreadableModel
from facedex_models.preparing import prepare
from facedex_models.sface.rounding import scales_of

# Weights use 7 of the 8 bits: on CPUs without 8-bit dot products (VNNI), the sum of two 8-bit
# products overflows ONNX Runtime's 16 bits, and the vectors would depend on the CPU.
WEIGHT_STEPS = 63
# ONNX Runtime adds the products of convolutions that work channel by channel in 32 bits.
DEPTHWISE_STEPS = 127
# ONNX Runtime computes these in 8 bits. The nodes of the outputs stay in floats: they are small,
# and their values are the result.
QUANTISED = frozenset(
    {"Conv", "Add", "AveragePool", "MaxPool", "GlobalAveragePool", "Pad", "Flatten"}
)
# These operators pass values through: with one scale before and after, they can work on bytes.
PASSING = frozenset({"MaxPool", "Pad", "Flatten"})
# Those that ONNX Runtime computes on bytes directly. It computes a maximum in its fast layout only
# between a DequantizeLinear and a QuantizeLinear.
PASSING_BYTES = PASSING - {"MaxPool"}


def quantise(
    data: bytes,
    ranges: Ranges,
    peaks: Peaks = MappingProxyType({}),
    means: Means = MappingProxyType({}),
    shifts: Means = MappingProxyType({}),
) -> bytes:
    """Convert a network to 8 bits.

    Args:
        data: the ONNX network in floats.
        ranges: the lowest and highest value of the activations that are computed in 8 bits.
        peaks: peaks of the activations whose channels are equalised first; `ranges` and `means`
            were measured after that.
        means: channel averages of activations. Weights that multiply these activations are rounded
            with the least error, and the average error of the rounding is subtracted from the
            biases.
        shifts: average error of the outputs of convolutions in 8 bits, subtracted from their
            biases.

    Returns:
        The serialised network; the same bytes every time.

    Raises:
        UnreadableModel: if the statistics belong to another network.
    """
    model = prepare(data, peaks)
    _shift(model.graph, shifts)
    _Quantiser(model.graph, ranges, means).run()
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _shift(graph: onnx.GraphProto, shifts: Means) -> None:
    """Subtract the shifts from the biases of the convolutions with these outputs."""
    convolutions = {node.output[0]: node for node in graph.node if node.op_type == "Conv"}
    constants = {constant.name: constant for constant in graph.initializer}
    for name, values in shifts.items():
        if name not in convolutions:
            raise UnreadableModel(f"The network has no convolution {name!r} to be shifted.")
        bias = constants[convolutions[name].input[2]]
        if list(bias.dims) != [len(values)]:
            raise UnreadableModel(f"The network's activation {name!r} has other channels.")
        shifted = numpy_helper.to_array(bias) - np.array(values, np.float32)
        bias.CopyFrom(numpy_helper.from_array(shifted, bias.name))


def activations(model: onnx.ModelProto) -> list[str]:
    """Return the names of the activations of a prepared network that need ranges."""
    graph = model.graph
    constants = {constant.name for constant in graph.initializer}
    outputs = {output.name for output in graph.output}
    bytes_in = {value.name for value in graph.input if _type(value) == TensorProto.UINT8}
    readers = _readers(graph)
    wanted: dict[str, None] = {}
    for node in graph.node:
        if node.op_type not in QUANTISED or outputs & set(node.output):
            continue
        after = readers.get(node.output[0], [])
        rectified = len(after) == 1 and after[0].op_type == "Relu"
        output = after[0].output[0] if rectified else node.output[0]
        wanted.update(dict.fromkeys((node.input[0], output)))
        if node.op_type == "Add":
            wanted[node.input[1]] = None
    return [name for name in wanted if name not in constants | outputs | bytes_in]


class _Quantiser:
    """Rewrites a graph in place."""

    def __init__(self, graph: onnx.GraphProto, ranges: Ranges, means: Means) -> None:
        self._graph = graph
        self._ranges = ranges
        self._means = means
        self._weights = {constant.name: constant for constant in graph.initializer}
        self._constants: dict[str, onnx.TensorProto] = {}
        self._scales: dict[str, np.float32] = {}
        self._steps: dict[str, list[str]] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._renamed: dict[str, str] = {}
        self._readers = _readers(graph)
        self._produced = {name: node for node in graph.node for name in node.output}

    def run(self) -> None:
        known = activations(onnx.ModelProto(graph=self._graph))
        if strange := [name for name in self._ranges if name not in known]:
            raise UnreadableModel(
                f"The network has no activation {strange[0]!r}, for which there is a range; take "
                "the ranges that were measured on this network."
            )
        for value in self._graph.input:
            if value.name in self._ranges:
                self._activate(value.name)
        for node in self._graph.node:
            self._add_quantised(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        read = {name for node in self._nodes for name in node.input}
        kept = [*self._weights.values(), *self._constants.values()]
        del self._graph.initializer[:]
        self._graph.initializer.extend(constant for constant in kept if constant.name in read)
        del self._graph.value_info[:]

    def _add_quantised(self, node: onnx.NodeProto) -> None:
        """Add the node, or the nodes that replace it."""
        output = node.output[0]
        quantised = output in self._ranges
        if quantised and node.op_type == "Cast":
            self._read_bytes(node)
        elif quantised and node.op_type in PASSING_BYTES and node.input[0] in self._steps:
            self._pass(node)
        elif quantised and self._rectified(node.input[0]) == output:
            # Only the rectified values are read, and 8 bits that start at 0 rectify by themselves.
            self._renamed[output] = self._nodes[-1].output[0]
            self._activate(output)
        else:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [self._renamed.get(name, name) for name in node.input]
            ends = self._rectified(output) or output
            if node.op_type == "Conv" and node.input[0] in self._scales and ends in self._ranges:
                copy.input[1:] = self._weigh(node)
            self._nodes.append(copy)
            if quantised:
                self._activate(output, like=node.input[0] if node.op_type in PASSING else None)

    def _rectified(self, name: str) -> str | None:
        """Return the name of a tensor after its Relu, if it can be computed in 8 bits.

        None if another node than the Relu reads the tensor.
        """
        source, readers = self._produced.get(name), self._readers.get(name, [])
        if source is None or source.op_type not in QUANTISED or len(readers) != 1:
            return None
        return readers[0].output[0] if readers[0].op_type == "Relu" else None

    def _activate(self, name: str, *, like: str | None = None) -> None:
        """Quantise an activation, with the scale of the activation `like` if it has one."""
        if like in self._steps:
            self._share(name, like)
        else:
            low, high = min(self._ranges[name][0], 0.0), max(self._ranges[name][1], 0.0)
            self._scales[name] = scale = np.float32(max(high - low, 1e-6) / 255)
            zero = np.uint8(np.clip(np.rint(-low / scale), 0, 255))
            self._steps[name] = [
                self._constant(f"{name}_scale", scale),
                self._constant(f"{name}_zero", zero),
            ]
        source = self._renamed.get(name, name)
        self._add("QuantizeLinear", [source, *self._steps[name]], f"{name}_bytes")
        self._read(name)

    def _pass(self, node: onnx.NodeProto) -> None:
        """Let a node pass its input's bytes through, with the same scale."""
        given, name = node.input[0], node.output[0]
        self._share(name, given)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[0], copy.output[0] = f"{given}_bytes", f"{name}_bytes"
        if node.op_type == "Pad":
            copy.input[2:] = [self._steps[given][1]]  # the byte that means 0
        self._nodes.append(copy)
        self._read(name)

    def _share(self, name: str, like: str) -> None:
        self._scales[name], self._steps[name] = self._scales[like], self._steps[like]

    def _read(self, name: str) -> None:
        """Dequantise an activation for its readers."""
        self._add("DequantizeLinear", [f"{name}_bytes", *self._steps[name]], f"{name}_read")
        self._renamed[name] = f"{name}_read"

    def _read_bytes(self, cast: onnx.NodeProto) -> None:
        """Read pixels as bytes, instead of as floats that are rounded again."""
        name = cast.output[0]
        steps = [
            self._constant(f"{name}_scale", np.float32(1)),
            self._constant(f"{name}_zero", np.uint8(0)),
        ]
        self._add("DequantizeLinear", [cast.input[0], *steps], name)
        self._scales[name] = np.float32(1)

    def _weigh(self, convolution: onnx.NodeProto) -> list[str]:
        """Return the names of a convolution's weights and biases in 8 and 32 bits."""
        name, given = convolution.input[1], convolution.input[0]
        values = numpy_helper.to_array(self._weights[name])
        if means := self._means.get(given):
            whole, scales, change = _round_exactly(values, np.array(means), given)
        else:
            largest = np.abs(values).max(axis=(1, 2, 3))
            scales = (np.maximum(largest, 1e-12) / WEIGHT_STEPS).astype(np.float32)
            whole = np.rint(values / scales[:, None, None, None]).astype(np.int8)
            change = np.zeros(len(values))
        names = [self._spread(name, whole, scales)]
        if len(convolution.input) > 2:
            steps = scales * self._scales[given]
            biases = numpy_helper.to_array(self._weights[convolution.input[2]]) - change
            whole_biases = np.clip(np.rint(biases / steps.astype(np.float64)), -(2**31), 2**31 - 1)
            names.append(self._spread(convolution.input[2], whole_biases.astype(np.int32), steps))
        return names

    def _spread(
        self, name: str, whole: NDArray[np.signedinteger], scales: NDArray[np.float32]
    ) -> str:
        inputs = [
            self._constant(f"{name}_whole", whole),
            self._constant(f"{name}_scale", scales),
            self._constant(f"{name}_zero", np.zeros(len(scales), whole.dtype)),
        ]
        self._add("DequantizeLinear", inputs, f"{name}_read", axis=0)
        return f"{name}_read"

    def _constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self._constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))


def _round_exactly(
    weights: NDArray[np.float32], means: NDArray[np.float64], given: str
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float64]]:
    """Return weights in whole numbers, their scales, and what rounding adds to each output.

    The last is an average, for channels of the input `given` with these means.

    Raises:
        UnreadableModel: if the input has another number of channels.
    """
    depthwise = weights.shape[1] == 1
    if weights.shape[0 if depthwise else 1] != len(means):
        raise UnreadableModel(f"The network's activation {given!r} has other channels.")
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    most = DEPTHWISE_STEPS if depthwise else WEIGHT_STEPS
    scales = scales_of(rows, most).astype(np.float32)
    whole = np.clip(np.rint(rows / scales[:, None]), -most, most)
    added = (whole * scales[:, None] - rows).reshape(weights.shape).sum(axis=(2, 3))
    change = added[:, 0] * means if depthwise else added @ means
    return whole.reshape(weights.shape).astype(np.int8), scales, change


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def _type(value: onnx.ValueInfoProto) -> int:
    kind: int = value.type.tensor_type.elem_type
    return kind
