"""ONNX graphs under construction: chips as bytes in, floats out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

ENTRY = "chips"  # (n, side, side, 3) uint8, RGB; n is variable


class Graph:
    """An ONNX graph whose input is chips, (n, side, side, 3) uint8 in RGB; n is variable.

    Attributes:
        latest: name of the output of the latest node, or of the graph's input.
    """

    def __init__(self) -> None:
        self.latest = ENTRY
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

    def single(self, name: str, values: NDArray[np.floating]) -> str:
        """Add a constant in single precision and return its name."""
        self._constants[name] = numpy_helper.from_array(values.astype("<f4"), name)
        return name

    def model(
        self, name: str, side: int, outputs: Mapping[str, tuple[str, Sequence[int]]], *domains: str
    ) -> bytes:
        """Return the serialised model, deterministically.

        Args:
            name: name of the graph.
            side: side of the chips in pixels.
            outputs: by the name of an output of the graph: the name of the node's output and its
                shape without the batch.
            domains: domains of operators that are not ONNX's own.
        """
        renamed = {node_output: output for output, (node_output, _) in outputs.items()}
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [renamed.get(each, each) for each in names]
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(ENTRY, TensorProto.UINT8, ["n", side, side, 3])],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", *shape])
                for output, (_, shape) in outputs.items()
            ],
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
