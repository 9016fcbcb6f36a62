"""Channels that follow from others, removed from a graph: fewer products for the same points.

In pictures of eyes, many channels of the iris network are almost linear functions of other channels
of the same tensor, and some are constant. The convolutions that read such a channel receive its
share of the others instead: with x = factors · others + constant, W x is a sum over the others and
a part of the bias. The channel need not be computed then. How channels follow from others was
measured once (`facedex_cli/evaluation/iris_channels.py`) and comes with the pack, so no photo is
needed to build the network, and the same file comes out every time. The tables contain no weights.

A network keeps its channels through all steps but convolutions, so the tensors of a stage lose the
same ones. At the end of a stage, a convolution computes all channels of a pooled tensor again.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facedex_models.attributes.tflite_format import Model, Operator, Tensor
from facedex_models.model_errors import UnreadableModel

Doubles = NDArray[np.float64]

# Steps of these kinds work channel by channel.
_KEEPING = frozenset({"ADD", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "PRELU"})
_PARTS = ("kept", "factors", "steps", "constants")


@dataclass(frozen=True, eq=False)
class Table:
    """How the channels of a tensor that a convolution reads follow from those that are kept.

    Attributes:
        kept: (k,) the channels that are kept, in ascending order.
        factors: (n - k, k) by which the kept ones count in each other channel.
        constants: (n - k,) that are added.
    """

    kept: NDArray[np.intp]
    factors: Doubles
    constants: Doubles

    @property
    def removed(self) -> NDArray[np.intp]:
        """(n - k,) the other channels, in ascending order."""
        every = np.arange(len(self.kept) + len(self.constants))
        return np.setdiff1d(every, self.kept)


# By the index of a tensor of the separated graph.
Tables = Mapping[int, Table]


def read(content: bytes) -> Tables:
    """Read the content of a file of tables.

    Raises:
        UnreadableModel: if it is not such a file.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            tensors = sorted(int(name) for name in {name.partition(".")[0] for name in file})
            tables = {
                tensor: _table(*(file[f"{tensor}.{part}"] for part in _PARTS)) for tensor in tensors
            }
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableModel("The tables of channels cannot be read.") from error
    return tables


def write(tables: Tables) -> bytes:
    """Return the content of a file of tables, with the factors in 8 bits."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for tensor, table in tables.items():
        steps = np.maximum(np.abs(table.factors).max(axis=1), 1e-9) / 127
        whole = np.rint(table.factors / steps[:, None]).astype(np.int8)
        parts = (
            table.kept.astype(np.uint8),
            whole,
            *(each.astype(np.float32) for each in (steps, table.constants)),
        )
        arrays.update(
            {f"{tensor}.{part}": values for part, values in zip(_PARTS, parts, strict=True)}
        )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def separate(model: Model, pooled: Iterable[int] | None = None) -> Model:
    """Return the same graph with a convolution between the channels of consecutive stages.

    Args:
        model: the graph.
        pooled: the results of pooling after which there is one; None for all.
    """
    tensors, operators = list(model.tensors), []
    pools = {each.output for each in model.operators if each.kind == "MAX_POOL_2D"}
    padded = {each.inputs[0] for each in model.operators if each.kind == "PAD"}
    wanted = pools if pooled is None else pools & set(pooled)

    def connect(source: int, output: int) -> Operator:
        weights = np.eye(tensors[output].shape[3], tensors[source].shape[3], dtype=np.float32)
        tensors.append(_constant(weights[:, None, None]))
        tensors.append(_constant(np.zeros(len(weights), np.float32)))
        return Operator("CONV_2D", (source, len(tensors) - 2, len(tensors) - 1), output)

    for operator in model.operators:
        step = operator
        if step.kind == "PAD" and step.inputs[0] in wanted:
            step = connect(step.inputs[0], step.output)
        elif step.kind == "ADD":
            for source in {*step.inputs} & wanted - padded:
                tensors.append(Tensor(tensors[source].shape, None))
                joined = len(tensors) - 1
                operators.append(connect(source, joined))
                inputs = tuple(joined if each == source else each for each in step.inputs)
                step = replace(step, inputs=inputs)
        operators.append(step)
    return replace(model, tensors=tensors, operators=operators)


def stages(model: Model) -> dict[int, int]:
    """Return, for each computed tensor, the first one of those that have the same channels."""
    firsts: dict[int, int] = {}
    for operator in model.operators:
        firsts[operator.output] = operator.output
        if operator.kind in _KEEPING:
            same = {firsts[each] for each in operator.inputs if each in firsts}
            same.add(operator.output)
            first = min(same)
            firsts.update((each, first) for each in firsts if firsts[each] in same)
    return firsts


def thin(model: Model, tables: Tables) -> Model:
    """Return the graph without the channels that the tables remove.

    Raises:
        UnreadableModel: if the tables belong to another graph.
    """
    separated = separate(model, tables)
    thinner = _Thinner(separated, tables)
    operators = [thinner.thin(operator) for operator in separated.operators]
    return replace(separated, tensors=thinner.tensors, operators=operators)


class _Thinner:
    """The new graph under construction.

    Attributes:
        tensors: those of the old graph and thinned ones.
    """

    def __init__(self, model: Model, tables: Tables) -> None:
        self.tensors = list(model.tensors)
        self._tables = tables
        self._stages = stages(model)
        self._kept: dict[int, NDArray[np.intp]] = {}
        for tensor, table in tables.items():
            first = self._stages.get(tensor, tensor)
            kept = self._kept.setdefault(first, table.kept)
            channels = len(table.kept) + len(table.constants)
            if not np.array_equal(kept, table.kept) or model.tensors[tensor].shape[3] != channels:
                raise UnreadableModel("The tables of channels are those of another network.")

    def thin(self, operator: Operator) -> Operator:
        """Return a step on fewer channels."""
        kept = self._kept.get(self._stages[operator.output])
        constants = [each for each in operator.inputs[1:] if self._is_constant(each)]
        arrays = [np.asarray(self.tensors[each].values) for each in constants]
        if operator.kind == "CONV_2D":
            arrays = list(self._convolution(operator.inputs[0], *arrays))
            axis = 0
        else:
            axis = -1
        if kept is not None:
            arrays = [each.take(kept, axis) for each in arrays]
            shape = (*self.tensors[operator.output].shape[:3], len(kept))
            self.tensors[operator.output] = Tensor(shape, None)
        if kept is not None or operator.kind == "CONV_2D":
            for index, array in zip(constants, arrays, strict=True):
                self.tensors[index] = _constant(array.astype(np.float32))
        return operator

    def _convolution(
        self, given: int, weights: NDArray[np.generic], biases: NDArray[np.generic]
    ) -> tuple[Doubles, Doubles]:
        """Return the weights (out, rows, columns, in) and biases for the kept channels."""
        whole, offsets = weights.astype(np.float64), biases.astype(np.float64)
        if given not in self._tables:
            if self._stages.get(given) in self._kept:
                raise UnreadableModel("The tables of channels lack one of the network's layers.")
            return whole, offsets
        table = self._tables[given]
        removed = whole[..., table.removed]
        offsets = offsets + (removed @ table.constants).sum(axis=(1, 2))
        return whole[..., table.kept] + removed @ table.factors, offsets

    def _is_constant(self, index: int) -> bool:
        return self.tensors[index].values is not None


def _table(
    kept: NDArray[np.uint8],
    factors: NDArray[np.int8],
    steps: NDArray[np.float32],
    constants: NDArray[np.float32],
) -> Table:
    if factors.shape != (len(steps), len(kept)) or steps.shape != constants.shape:
        raise ValueError("shapes")
    return Table(
        kept.astype(np.intp),
        factors.astype(np.float64) * steps[:, None].astype(np.float64),
        constants.astype(np.float64),
    )


def _constant(values: NDArray[np.float32]) -> Tensor:
    return Tensor(values.shape, values)


def readers(model: Model) -> dict[int, list[Doubles]]:
    """Return, for each tensor, the weights (out, in) by which convolutions read its channels."""
    found: dict[int, list[Doubles]] = {}
    for operator in model.operators:
        if operator.kind == "CONV_2D" and operator.inputs[0] != model.entry:
            weights = np.asarray(model.tensors[operator.inputs[1]].values, np.float64)
            rows = weights.reshape(-1, weights.shape[3])
            found.setdefault(operator.inputs[0], []).append(rows)
    return found
