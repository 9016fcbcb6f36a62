"""Reader of TFLite files with one subgraph of floats, as far as MediaPipe's face networks need it.

The numbers of fields, operators and types are those of the schema,
tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedex_models.attributes.flatbuffers import Table
from facedex_models.model_errors import UnreadableModel

_MAGIC = b"TFL3"  # at byte 4
_TYPES: Mapping[int, str] = {0: "<f4", 2: "<i4"}  # of constants
_OPERATORS: Mapping[int, str] = {
    0: "ADD",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    17: "MAX_POOL_2D",
    22: "RESHAPE",
    34: "PAD",
    54: "PRELU",
}
# Field of the fused activation in an operator's options; 0 is none.
_ACTIVATION: Mapping[str, int] = {
    "ADD": 0,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 4,
    "MAX_POOL_2D": 5,
}
_VALID = 1  # no padding; 0 is SAME


@dataclass(frozen=True)
class Tensor:
    """A tensor; images are (1, rows, columns, channels)."""

    shape: tuple[int, ...]
    values: NDArray[np.float32] | NDArray[np.int32] | None  # None if an operator computes it


@dataclass(frozen=True)
class Operator:
    """One step of the graph; tensors are named by their index."""

    kind: str
    inputs: tuple[int, ...]
    output: int
    stride: tuple[int, int] = (1, 1)  # y, x
    window: tuple[int, int] = (1, 1)  # y, x; of a pool
    same: bool = True  # whether the image is padded so that only the stride makes it smaller
    groups: int = 1  # of a convolution that is not depthwise
    half: int = 0  # of the channels, taken by an operator HALF; no file has one


@dataclass(frozen=True)
class Model:
    """A graph whose operators are in the order in which they run."""

    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    entry: int
    outputs: tuple[int, ...]


def parse(data: bytes) -> Model:
    """Read a TFLite file.

    Raises:
        UnreadableModel: if `data` is not a TFLite file or needs what this reader does not support.
    """
    if data[4:8] != _MAGIC:
        raise UnreadableModel("The file is not a TFLite model.")
    try:
        return _read(Table.root(data))
    except (struct.error, ValueError, IndexError) as error:
        raise UnreadableModel(f"The TFLite model is damaged: {error}.") from error


def _read(root: Table) -> Model:
    graphs = root.tables(2)
    if len(graphs) != 1:
        raise UnreadableModel("The TFLite model does not have exactly one subgraph.")
    (graph,) = graphs
    codes = [_OPERATORS.get(_code(entry), "") for entry in root.tables(1)]
    buffers = root.tables(4)
    (entry,) = graph.integers(1)
    return Model(
        tensors=[_tensor(table, buffers) for table in graph.tables(0)],
        operators=[_operator(table, codes) for table in graph.tables(3)],
        entry=entry,
        outputs=tuple(graph.integers(2)),
    )


def _code(entry: Table) -> int:
    # Older files have the number in a field of one byte.
    return max(entry.integer(0, "b"), entry.integer(3))


def _tensor(table: Table, buffers: Sequence[Table]) -> Tensor:
    shape = tuple(table.integers(0))
    content = buffers[table.integer(2, "I")].bytes(0)
    if not len(content):
        return Tensor(shape, None)
    kind = table.integer(1, "b")
    if kind not in _TYPES:
        raise UnreadableModel("The TFLite model has constants that are not floats or integers.")
    return Tensor(shape, content.view(_TYPES[kind]).reshape(shape))


def _operator(table: Table, codes: Sequence[str]) -> Operator:
    kind = codes[table.integer(0, "I")]
    if not kind:
        raise UnreadableModel("The TFLite model has an operator that is not supported.")
    inputs = tuple(index for index in table.integers(1) if index >= 0)
    (output,) = table.integers(2)
    options = table.table(4)
    if options is None or kind not in _ACTIVATION:
        return Operator(kind, inputs, output)
    if options.integer(_ACTIVATION[kind], "b"):
        raise UnreadableModel("The TFLite model has an activation that is not a step of its own.")
    if kind == "ADD":
        return Operator(kind, inputs, output)
    dilation = {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 5}.get(kind)
    if dilation and {
        options.integer(dilation, default=1),
        options.integer(dilation + 1, default=1),
    } != {1}:
        raise UnreadableModel("The TFLite model has a dilated convolution.")
    window = (options.integer(4), options.integer(3)) if kind == "MAX_POOL_2D" else (1, 1)
    return Operator(
        kind,
        inputs,
        output,
        stride=(options.integer(2), options.integer(1)),
        window=window,
        same=options.integer(0, "b") != _VALID,
    )
