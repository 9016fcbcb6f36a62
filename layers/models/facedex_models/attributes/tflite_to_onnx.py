"""Conversion of MediaPipe's face mesh and iris networks from TFLite to ONNX.

Input `chips`: (n, side, side, 3) uint8, RGB; n is variable. The networks' own input, pixel / 255,
is folded into the first convolution: its padding is zeros, which the division leaves as they are.
Outputs: points (n, points, 2) float32: x and y in pixels of the chip. Those that Facedex does not
read are left out, with the filters that compute them.

TFLite has the channels last; the graph has them first. ONNX Runtime's kernel of PRelu takes several
times as long as the convolutions between, so it is replaced by operators with fast kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedex_models.attributes import pixels_as_rows, thinning
from facedex_models.attributes.tflite_format import Model, Operator, Tensor, parse
from facedex_models.attributes.twins import join_twins
from facedex_models.model_errors import UnreadableModel
from facedex_models.onnx_graph import Graph

_FULL = 255.0  # the networks' input is pixel / 255

# The points of the mesh that the outputs have, by MediaPipe's numbers and in their order.
_MESH = (
    *(0, 4, 13, 14, 17, 33, 61, 70, 82, 87, 98, 105, 107, 133, 152, 172, 234),
    *(263, 291, 300, 312, 317, 327, 334, 336, 362, 397, 454),
)


class Points(NamedTuple):
    """The points of an output: their number in the file, and those that are kept."""

    number: int
    kept: tuple[int, ...]


# The outputs, in the order of the file. A file's further outputs are omitted. The mesh's second
# one, whether there is a face, is above 0.99 for any picture. Of an eye, the first 16 points of the
# contour lie on the lids, and the first one of the pupil is its middle.
MESH = {"points": Points(468, _MESH)}
IRIS = {"contours": Points(71, tuple(range(16))), "pupil": Points(5, (0,))}


def convert_mesh(data: bytes) -> bytes:
    """Convert the face mesh, deterministically; the output is (n, 28, 2).

    Raises:
        UnreadableModel: if `data` is not such a network.
    """
    return _convert(data, "face-mesh", MESH)


def convert_iris(data: bytes) -> bytes:
    """Convert the iris network, deterministically; the outputs are (n, 16, 2) and (n, 1, 2).

    Raises:
        UnreadableModel: if `data` is not such a network.
    """
    return _convert(data, "iris", IRIS)


def thin_iris(data: bytes, tables: bytes) -> bytes:
    """Convert the iris network with fewer channels, deterministically; see thinning.py.

    Raises:
        UnreadableModel: if `data` is not such a network, or the tables are those of another one.
    """
    return _convert(data, "iris", IRIS, thinning.read(tables))


def expose_iris(data: bytes) -> tuple[Model, bytes, dict[int, str]]:
    """Return the iris network with separated stages: parsed, and converted for measurements.

    Returns:
        The graph, the ONNX model, and the names in it of the graph's tensors.
    """
    model = thinning.separate(_trimmed(parse(data), IRIS))
    writer = _write(model, IRIS)
    return model, _finish(writer, model, "iris", IRIS), writer.names


def _convert(
    data: bytes, name: str, outputs: Mapping[str, Points], tables: thinning.Tables | None = None
) -> bytes:
    model = _trimmed(parse(data), outputs)
    try:
        joined = join_twins(thinning.thin(model, tables) if tables else model)
        return _finish(_write(joined, outputs), model, name, outputs)
    except (KeyError, ValueError, IndexError) as error:
        raise UnreadableModel(f"The TFLite model is not the network {name}: {error!r}.") from error


def _trimmed(model: Model, outputs: Mapping[str, Points]) -> Model:
    """Return the graph of the outputs that are read."""
    chips = model.tensors[model.entry].shape
    if len(chips) != 4 or chips[1] != chips[2] or chips[3] != 3:
        raise UnreadableModel("The TFLite model's input is not a square picture in colour.")
    if len(model.outputs) < len(outputs):
        raise UnreadableModel("The TFLite model has too few outputs.")
    wanted = model.outputs[: len(outputs)]
    needed = _needed(model, wanted)
    steps = [operator for operator in model.operators if operator.output in needed]
    return replace(model, operators=steps, outputs=wanted)


def _write(model: Model, outputs: Mapping[str, Points]) -> _Writer:
    writer = _Writer(model, dict(zip(model.outputs, outputs.values(), strict=True)))
    for operator in model.operators:
        writer.write(operator)
    return writer


def _finish(writer: _Writer, model: Model, name: str, outputs: Mapping[str, Points]) -> bytes:
    points = [writer.points(index) for index in model.outputs]
    side = model.tensors[model.entry].shape[1]
    return writer.graph.model(name, side, dict(zip(outputs, points, strict=True)))


def _needed(model: Model, outputs: tuple[int, ...]) -> set[int]:
    """Return the tensors on which the outputs depend."""
    needed = set(outputs)
    for operator in reversed(model.operators):
        if operator.output in needed:
            needed.update(operator.inputs)
    return needed


class _Writer:
    """Writes operators into an ONNX graph.

    Attributes:
        names: by the index of a tensor, the name of the same tensor in the graph.
    """

    def __init__(self, model: Model, outputs: Mapping[int, Points]) -> None:
        self.graph = Graph()
        self._model = model
        self._points = outputs
        entry = pixels_as_rows.enter(self.graph, model.tensors[model.entry].shape[1])
        self.names: dict[int, str] = {model.entry: entry}
        # Of the convolutions that compute the points: the filters that are kept.
        self._filters: dict[int, list[int]] = {}
        for index, points in outputs.items():
            self._check(index, points.number)
            self._filters[self._source(index)] = [
                3 * point + axis for point in points.kept for axis in (0, 1)
            ]

    def write(self, operator: Operator) -> None:
        """Add an operator whose inputs have been written."""
        given = self.names[operator.inputs[0]]
        match operator.kind:
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                name = self._convolve(given, operator)
            case "PRELU":
                name = self._prelu(given, operator)
            case "MAX_POOL_2D":
                name = self.graph.branch(
                    "MaxPool",
                    [given],
                    kernel_shape=operator.window,
                    strides=operator.stride,
                    pads=self._pads(operator, operator.window),
                )
            case "ADD":
                name = self.graph.branch("Add", [given, self.names[operator.inputs[1]]])
            case "PAD":
                name = self._pad(given, operator)
            case "TWICE":
                name = self.graph.branch("Concat", [given, given], axis=1)
            case "HALF":
                name = self._half(given, operator)
            case _:  # RESHAPE, of one pixel: the output's points are shaped in the end
                name = given
        self.names[operator.output] = name

    def points(self, index: int) -> tuple[str, tuple[int, int]]:
        """Return the name and shape of an output as points."""
        count = len(self._points[index].kept)
        shape = self.graph.constant(f"shape_{index}", np.array([0, count, 2], np.int64))
        return self.graph.branch("Reshape", [self.names[index], shape]), (count, 2)

    def _check(self, index: int, count: int) -> None:
        if np.prod(self._tensor(index).shape) != 3 * count:
            raise UnreadableModel(f"The TFLite model has no output of {count} points.")

    def _source(self, index: int) -> int:
        """Return the convolution's output that is reshaped to an output of the model."""
        source = next(each for each in self._model.operators if each.output == index)
        return self._source(source.inputs[0]) if source.kind == "RESHAPE" else index

    def _tensor(self, index: int) -> Tensor:
        return self._model.tensors[index]

    def _values(self, index: int) -> NDArray[np.float32] | NDArray[np.int32]:
        values = self._tensor(index).values
        if values is None:
            raise UnreadableModel("The TFLite model computes its weights.")
        return values

    def _convolve(self, given: str, operator: Operator) -> str:
        source, kernel, bias = operator.inputs
        weights = self._values(kernel).astype(np.float64)
        channels = self._tensor(source).shape[3]
        if operator.kind == "CONV_2D":  # (out, rows, columns, in)
            weights, groups = weights.transpose(0, 3, 1, 2), operator.groups
        else:  # (1, rows, columns, channels)
            weights, groups = weights.transpose(3, 0, 1, 2), channels
        biases = self._values(bias).astype(np.float64)
        if filters := self._filters.get(operator.output):
            weights, biases = weights[filters], biases[filters]
        window = weights.shape[2], weights.shape[3]
        strides, pads = list(operator.stride), self._pads(operator, window)
        if source == self._model.entry:
            weights = pixels_as_rows.spread(weights / _FULL)
            strides, pads = pixels_as_rows.widen(strides), pixels_as_rows.widen(pads)
        return self.graph.branch(
            "Conv",
            [
                given,
                self.graph.single(f"weights_{kernel}", weights),
                self.graph.single(f"biases_{bias}", biases),
            ],
            kernel_shape=weights.shape[2:],
            strides=strides,
            pads=pads,
            group=groups,
        )

    def _prelu(self, given: str, operator: Operator) -> str:
        """Add x + (1 - slope) * max(-x, 0), which is a PReLU of any slope.

        ONNX Runtime joins the four operators to two: it passes over the values twice.
        """
        slopes = self._values(operator.inputs[1]).astype(np.float64)
        name = f"slopes_{operator.inputs[1]}"
        negated = self._multiply(given, f"negation_{slopes.size}", -np.ones(slopes.size))
        negative = self.graph.branch("Relu", [negated])
        return self.graph.branch("Add", [self._multiply(negative, name, 1 - slopes), given])

    def _multiply(self, given: str, name: str, factors: NDArray[np.float64]) -> str:
        """Add the product of each channel and its factor.

        As a convolution of one pixel, because ONNX Runtime computes no Mul in the layout of its
        convolutions: it would reorder the values before and after.
        """
        weights = self.graph.single(name, factors.reshape(-1, 1, 1, 1))
        return self.graph.branch("Conv", [given, weights], kernel_shape=[1, 1], group=factors.size)

    def _pad(self, given: str, operator: Operator) -> str:
        """Add channels of zeros after those given.

        As a convolution with the unit matrix, which stays in the layout of the others and is joined
        with the addition that follows.
        """
        around = self._values(operator.inputs[1])  # (axes, 2), the channels last
        if around[:3].any() or around[3, 0]:
            raise UnreadableModel("The TFLite model pads more than the end of its channels.")
        channels = self._tensor(operator.inputs[0]).shape[3]
        unit = np.eye(channels + int(around[3, 1]), channels)
        weights = self.graph.single(f"unit_{operator.output}", unit[:, :, None, None])
        return self.graph.branch("Conv", [given, weights], kernel_shape=[1, 1])

    def _half(self, given: str, operator: Operator) -> str:
        channels = self._tensor(operator.output).shape[3]
        start = operator.half * channels
        ends = (
            self.graph.constant(f"{name}_{operator.output}", np.array([value], np.int64))
            for name, value in (("start", start), ("end", start + channels), ("axis", 1))
        )
        return self.graph.branch("Slice", [given, *ends])

    def _pads(self, operator: Operator, window: tuple[int, int]) -> list[int]:
        """Return the pixels added above, left, below and right."""
        if not operator.same:
            return [0, 0, 0, 0]
        before, after = [], []
        rows = self._tensor(operator.inputs[0]).shape[1:3]
        for size, width, step in zip(rows, window, operator.stride, strict=True):
            missing = max((-(-size // step) - 1) * step + width - size, 0)
            before.append(missing // 2)
            after.append(missing - missing // 2)
        return before + after
