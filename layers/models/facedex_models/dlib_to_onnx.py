"""Conversion of dlib's face recognition network to an ONNX graph.

Input `chips`: (n, 150, 150, 3) uint8, RGB, the pixels from the alignment; n is variable. Compared
with float32, this is a quarter of the data, and callers do not need to know the means.
Output `embeddings`: (n, 128) float32, not normalised, as dlib returns them.

The graph computes the same function as dlib in fewer steps:

- The normalisation (pixel - mean) / 256 is folded into the first convolution, which has no
  padding.
- That convolution has a stride of two pixels. Its input is blocks of 2 x 2 pixels, each as one
  pixel of 12 channels, because ONNX Runtime then copies its windows in runs of 12 values, not 3.
- Every `affine_` is folded into the convolution before it.

If the two outputs that `add_prev_` sums differ in shape, dlib treats the missing last channels,
bottom rows and right columns as zeros; the graph has a Pad node for this.
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
from facedex_models.model_errors import UnreadableModel

OPSET = 17
IR_VERSION = 8
INPUT_SCALE = 256.0  # dlib/dnn/input.h: (pixel - average) / 256
BLOCK = 2  # side, in pixels, of the blocks that the first convolution processes as one pixel

Doubles = NDArray[np.float64]


def convert(data: bytes) -> bytes:
    """Convert dlib's serialised network to a serialised ONNX model, deterministically.

    Raises:
        UnreadableModel: if `data` is not a dlib face recognition network.
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
            raise UnreadableModel("The dlib model's chips have a side that is not a multiple of 2.")
        rows, columns, depth = entry.rows // BLOCK, entry.columns // BLOCK, 3 * BLOCK**2
        self._reshape(rows, BLOCK, columns, BLOCK, 3)
        self.apply("Transpose", perm=[0, 1, 3, 2, 4, 5])
        self._reshape(rows, columns, depth)
        self.apply("Transpose", perm=[0, 3, 1, 2])
        self.apply("Cast", to=TensorProto.FLOAT)
        self._shape = (depth, rows, columns)

    def apply(self, operator: str, *constants: str, **attributes: Any) -> None:
        """Add a node whose input is the latest output."""
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
                raise UnreadableModel("The dlib model pads its input before subtracting the mean.")
            if stride != (BLOCK, BLOCK):
                raise UnreadableModel("The dlib model does not begin with a stride of two pixels.")
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
        """Record the latest output as the input of a block."""
        self._block_input = (self._latest, self._shape)
        self._block_output = None

    def skip(self) -> None:
        """Record the latest output, of a block's convolutions, and return to the block's input."""
        self._block_output = (self._latest, self._shape)
        self._latest, self._shape = self._block_input

    def add_previous(self) -> None:
        """Add the sum of the block's output and input, padded to the larger of both shapes."""
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
        """Reshape each item of the batch."""
        self.apply("Reshape", self._constant("shape", np.array([0, *shape], np.int64)))

    def _after(
        self,
        channels: int,
        window: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> tuple[int, int, int]:
        """Return the output shape of a sliding window (dlib and ONNX both round down)."""
        rows, columns = (
            (size + 2 * pad - width) // step + 1
            for size, width, step, pad in zip(self._shape[1:], window, stride, padding, strict=True)
        )
        return channels, rows, columns

    def _pad(self, name: str, shape: tuple[int, int, int]) -> str:
        missing = [target - size for target, size in zip(self._shape, shape, strict=True)]
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
    """Convert the first convolution's weights (filters, 3, rows, columns) to blocks of pixels.

    Returns:
        (filters, 12, rows / 2, columns / 2), with channels ordered by row, column and colour.
    """
    filters, colours, *window = weights.shape
    rows, columns = (-(-length // BLOCK) for length in window)
    padding = [(0, 0), (0, 0), *((0, -length % BLOCK) for length in window)]
    split = np.pad(weights, padding).reshape(filters, colours, rows, BLOCK, columns, BLOCK)
    blocks = split.transpose(0, 3, 5, 1, 2, 4)
    return np.ascontiguousarray(blocks.reshape(filters, BLOCK**2 * colours, rows, columns))
