"""SFace as an ONNX graph in floats.

Input `chips`: (n, 112, 112, 3) uint8, RGB, the pixels from the alignment; n is variable.
Output `embeddings`: (n, 128) float32, not normalised, as the file's network returns them.

PRelu is ONNX Runtime's slowest kernel in this network. As no slope is above 1, it is replaced by
the equivalent maximum, with which the network takes two thirds of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facedex_models.sface.network import MEAN, SCALE, Doubles, Network

OPSET = 17
IR_VERSION = 8


def write(network: Network) -> bytes:
    """Return the network as a serialised ONNX model, deterministically."""
    graph = Graph("chips")
    graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.add("Cast", to=TensorProto.FLOAT)
    # Not folded into the first convolution, whose padding is that of normalised pixels.
    graph.add("Sub", graph.single("mean", np.array(MEAN)))
    for number, layer in enumerate(network.layers):
        weights = layer.weights if number else layer.weights / SCALE
        convolved = graph.add(
            "Conv",
            graph.single(f"{layer.name}_weights", weights),
            graph.single(f"{layer.name}_biases", layer.biases),
            kernel_shape=weights.shape[2:],
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
            group=layer.groups,
        )
        slopes = graph.single(f"{layer.name}_slopes", layer.slopes[:, None, None])
        graph.add("Max", graph.branch("Mul", [convolved, slopes]))
    graph.add("Flatten", axis=1)
    dense = network.dense
    graph.add(
        "Gemm",
        graph.single("dense_weights", dense.weights.reshape(len(dense.weights), -1)),
        graph.single("dense_biases", dense.biases),
        transB=1,
    )
    return graph.model("sface", network.side, len(dense.biases))


class Graph:
    """An ONNX graph of chips to embeddings under construction."""

    def __init__(self, entry: str) -> None:
        self.latest = entry
        self._entry = entry
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, *others: str, **attributes: Any) -> str:
        """Add a node whose input is the latest output, and return the name of its output."""
        self.latest = self.branch(operator, [self.latest, *others], **attributes)
        return self.latest

    def branch(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node without making its output the latest one, and return the output's name."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant, of the values' own type, and return its name."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def single(self, name: str, values: Doubles) -> str:
        """Add a constant in single precision and return its name."""
        self._constants[name] = numpy_helper.from_array(values.astype("<f4"), name)
        return name

    def model(self, name: str, side: int, dimension: int, *domains: str) -> bytes:
        """Return the serialised model, whose output is the latest one.

        Args:
            name: name of the graph.
            side: side of the chips in pixels.
            dimension: length of the embeddings.
            domains: domains of operators that are not ONNX's own.
        """
        self._nodes[-1].output[0] = "embeddings"
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(self._entry, TensorProto.UINT8, ["n", side, side, 3])],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", dimension])],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(
            graph, producer_name="facedex", ir_version=IR_VERSION, opset_imports=opsets
        )
        onnx.checker.check_model(model, full_check=True)
        serialised: bytes = model.SerializeToString(deterministic=True)
        return serialised
