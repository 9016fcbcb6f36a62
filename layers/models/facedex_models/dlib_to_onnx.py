"""dlib's face recognition network as an ONNX graph.

Input `chips`: (n, 150, 150, 3) uint8, RGB, the pixels as they come out of the aligner; n is free.
A quarter of the bytes of float32 cross into the runtime, and no caller has to know the means.
Output `embeddings`: (n, 128) float32, as dlib returns them: not normalised.

What dlib computes is kept, in fewer steps:

- the normalisation (pixel - mean) / 256 goes into the first convolution, which has no padding;
- that convolution, which moves by two pixels, sees blocks of 2 x 2 pixels as one of 12 channels:
  ONNX Runtime gathers its windows piece by piece, of 12 values each instead of 3;
- every `affine_` goes into the convolution before it.

Where the two outputs that `add_prev_` sums differ in shape, dlib takes the missing channels
(behind), rows (below) and columns (right) as zeros; here a Pad says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from facedex_models.dlib_format import (
    AddPrevious,
    Affine,
    Convolution,
    FullyConnected,
    Input,
    Layer,
    Pool,
    Relu,
    TagOrSkip,
    parse,
)
from facedex_models.errors import UnreadableModel

OPSET = 17
IR_VERSION = 8
INPUT_SCALE = 256.0  # dlib/dnn/input.h: (pixel - average) / 256
BLOCK = 2  # pixels, square, that the first convolution sees as one

Doubles = NDArray[np.float64]


def convert(data: bytes) -> bytes:
    """Return dlib's serialised network as a serialised ONNX model; the same bytes every time.

    Raises UnreadableModel where data is no dlib face recognition network.
    """
    entry, layers = parse(data)
    model = _build(entry, layers)
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _build(entry: Input, layers: Sequence[Layer]) -> onnx.ModelProto:
    graph = _Graph(entry)
    place = 0
    while place < len(layers):
        layer = layers[place]
        following = layers[place + 1 : place + 3]
        match layer:
            case Convolution():
                if not following or not isinstance(following[0], Affine):
                    raise UnreadableModel("The dlib model has a convolution without an affine.")
                graph.convolve(layer, following[0])
                place += 1
            case TagOrSkip() if following and isinstance(following[0], TagOrSkip):
                graph.skip()
                place += 1
            case TagOrSkip():
                graph.tag()
            case Pool(window=(0, 0)):
                graph.apply("GlobalAveragePool")
            case Pool():
                graph.pool(layer)
            case AddPrevious():
                graph.add_previous()
            case Relu():
                graph.apply("Relu")
            case FullyConnected():
                graph.multiply(layer)
            case Affine():
                raise UnreadableModel("The dlib model has an affine without a convolution.")
        place += 1
    return graph.model()


class _Graph:
    """An ONNX graph under construction: the latest output, and the two that a block needs."""

    def __init__(self, entry: Input) -> None:
        self._entry = entry
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._normalised = False
        self._shape = (0, 0, 0)  # of the latest output, without the batch
        self._latest = "chips"
        self._block_input = ("", (0, 0, 0))
        self._block_output: tuple[str, tuple[int, int, int]] | None = None
        if entry.rows % BLOCK or entry.columns % BLOCK:
            raise UnreadableModel("The dlib model takes chips that are not of whole blocks.")
        rows, columns, depth = entry.rows // BLOCK, entry.columns // BLOCK, 3 * BLOCK**2
        self._reshape(rows, BLOCK, columns, BLOCK, 3)
        self.apply("Transpose", perm=[0, 1, 3, 2, 4, 5])
        self._reshape(rows, columns, depth)
        self.apply("Transpose", perm=[0, 3, 1, 2])
        self.apply("Cast", to=TensorProto.FLOAT)
        self._shape = (depth, rows, columns)

    def apply(self, operator: str, *constants: str, **attributes: Any) -> None:
        """Add a node that takes the latest output and gives the next."""
        self._add(operator, [self._latest, *constants], **attributes)
        if operator == "GlobalAveragePool":
            self._shape = (self._shape[0], 1, 1)

    def convolve(self, layer: Convolution, affine: Affine) -> None:
        """Add a convolution with its affine folded in."""
        gamma = affine.gamma.astype(np.float64)
        weights = layer.weights.astype(np.float64)
        biases = layer.biases.astype(np.float64)
        stride = layer.stride
        if not self._normalised:
            if layer.padding != (0, 0):
                raise UnreadableModel("The dlib model pads its input, before the mean is removed.")
            if stride != (BLOCK, BLOCK):
                raise UnreadableModel("The dlib model does not begin with steps of two pixels.")
            weights = weights / INPUT_SCALE
            means = np.array(self._entry.mean, np.float64)
            biases = biases - (weights.sum(axis=(2, 3)) * means).sum(axis=1)
            weights, stride = _in_blocks(weights), (1, 1)
            self._normalised = True
        self.apply(
            "Conv",
            self._constant("weights", weights * gamma[:, None, None, None]),
            self._constant("biases", biases * gamma + affine.beta),
            kernel_shape=weights.shape[2:],
            strides=stride,
            pads=layer.padding * 2,
        )
        window = (weights.shape[2], weights.shape[3])
        self._shape = self._after(weights.shape[0], window, stride, layer.padding)

    def pool(self, layer: Pool) -> None:
        """Add a maximum or an average over a window."""
        if layer.average and layer.padding != (0, 0):
            raise UnreadableModel("The dlib model has an average pool with padding.")
        self.apply(
            "AveragePool" if layer.average else "MaxPool",
            kernel_shape=layer.window,
            strides=layer.stride,
            pads=layer.padding * 2,
        )
        self._shape = self._after(self._shape[0], layer.window, layer.stride, layer.padding)

    def tag(self) -> None:
        """Remember the latest output as what the block starts from."""
        self._block_input = (self._latest, self._shape)
        self._block_output = None

    def skip(self) -> None:
        """Put the latest output, of a block's convolutions, aside and go back to its start."""
        self._block_output = (self._latest, self._shape)
        self._latest, self._shape = self._block_input

    def add_previous(self) -> None:
        """Add the sum of the block's output and its start, padded to the larger of both shapes."""
        terms = (self._block_output or self._block_input, (self._latest, self._shape))
        channels, rows, columns = np.max([shape for _, shape in terms], axis=0).tolist()
        self._shape = (channels, rows, columns)
        self._add("Add", [self._pad(name, shape) for name, shape in terms])

    def multiply(self, layer: FullyConnected) -> None:
        """Add the product of the flattened latest output and a matrix."""
        self.apply("Flatten", axis=1)
        weights = layer.weights.astype(np.float64)
        self.apply("MatMul", self._constant("matrix", weights))
        self._shape = (layer.weights.shape[1], 1, 1)

    def model(self) -> onnx.ModelProto:
        """Return the finished model, whose output is the latest one."""
        self._nodes[-1].output[0] = "embeddings"
        graph = helper.make_graph(
            self._nodes,
            "dlib-resnet",
            [
                helper.make_tensor_value_info(
                    "chips", TensorProto.UINT8, ["n", self._entry.rows, self._entry.columns, 3]
                )
            ],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", self._shape[0]])],
            self._constants,
        )
        return helper.make_model(
            graph,
            producer_name="facedex",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )

    def _reshape(self, *shape: int) -> None:
        """Give each item of the batch, which stays, this shape."""
        self.apply("Reshape", self._constant("shape", np.array([0, *shape], np.int64)))

    def _after(
        self,
        channels: int,
        window: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> tuple[int, int, int]:
        """Return the shape that a sliding window leaves (dlib and ONNX both round down)."""
        rows, columns = (
            (size + 2 * pad - width) // step + 1
            for size, width, step, pad in zip(self._shape[1:], window, stride, padding, strict=True)
        )
        return channels, rows, columns

    def _pad(self, name: str, shape: tuple[int, int, int]) -> str:
        missing = [whole - part for whole, part in zip(self._shape, shape, strict=True)]
        if not any(missing):
            return name
        pads = np.array([0, 0, 0, 0, 0, *missing], np.int64)
        return self._add("Pad", [name, self._constant("pads", pads)])

    def _constant(self, kind: str, values: Doubles | NDArray[np.int64]) -> str:
        name = f"{kind}_{len(self._constants)}"
        stored = values if values.dtype == np.int64 else values.astype("<f4")
        self._constants.append(onnx.numpy_helper.from_array(stored, name))
        return name

    def _add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        self._latest = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(operator, inputs, [self._latest], self._latest, **attributes)
        )
        return self._latest


def _in_blocks(weights: Doubles) -> Doubles:
    """Return a first convolution's weights (filters, 3, rows, columns) for blocks of pixels.

    They are (filters, 12, rows / 2, columns / 2), channels in a block's order: row, column, colour.
    """
    filters, colours, *window = weights.shape
    rows, columns = (-(-length // BLOCK) for length in window)
    padding = [(0, 0), (0, 0), *((0, -length % BLOCK) for length in window)]
    split = np.pad(weights, padding).reshape(filters, colours, rows, BLOCK, columns, BLOCK)
    blocks = split.transpose(0, 3, 5, 1, 2, 4)
    return np.ascontiguousarray(blocks.reshape(filters, BLOCK**2 * colours, rows, columns))
