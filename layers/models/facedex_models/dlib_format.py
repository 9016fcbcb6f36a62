"""Reader of dlib's serialised networks (`dlib::serialize` of a `dlib::loss_metric` network).

The format is defined by dlib/serialize.h, dlib/dnn/core.h and dlib/dnn/layers.h. A network is
stored as nested layers. Each layer writes a version number, then the layer below it, then itself.
So the file starts with the version numbers from the output down to the input, continues with the
input layer, and then lists the layers from the input to the output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedex_models.model_errors import UnreadableModel

Floats = NDArray[np.float32]

# Version numbers, by which core.h distinguishes kinds of layers.
_TAG_OR_SKIP = 1
_LAYER = 2
_LAYER_ON_INPUT = 3


@dataclass(frozen=True)
class Input:
    """`input_rgb_image_sized`: the network's input is (pixel - mean) / 256 of an RGB image."""

    mean: tuple[float, float, float]
    rows: int
    columns: int


@dataclass(frozen=True)
class Convolution:
    """`con_`: a cross-correlation with a bias."""

    weights: Floats  # (filters, channels, rows, columns)
    biases: Floats  # (filters,)
    stride: tuple[int, int]  # y, x
    padding: tuple[int, int]  # y, x


@dataclass(frozen=True)
class Affine:
    """`affine_`: a frozen batch normalisation, gamma * x + beta per channel."""

    gamma: Floats  # (channels,)
    beta: Floats  # (channels,)


@dataclass(frozen=True)
class Relu:
    """`relu_`: max(x, 0)."""


@dataclass(frozen=True)
class Pool:
    """`max_pool_` or `avg_pool_`; a window of (0, 0) is the complete image."""

    average: bool
    window: tuple[int, int]  # y, x
    stride: tuple[int, int]  # y, x
    padding: tuple[int, int]  # y, x


@dataclass(frozen=True)
class AddPrevious:
    """`add_prev_`: the sum with a tagged output, zero-padded to the larger of both shapes."""


@dataclass(frozen=True)
class FullyConnected:
    """`fc_` without a bias: x @ weights."""

    weights: Floats  # (inputs, outputs)


@dataclass(frozen=True)
class TagOrSkip:
    """A named output, or a jump back to a named output; the file does not store the name."""


Layer = Convolution | Affine | Relu | Pool | AddPrevious | FullyConnected | TagOrSkip


class Reader:
    """Read dlib's primitive values in sequence.

    Every method raises UnreadableModel if the bytes are not of the type that it reads.
    """

    def __init__(self, data: bytes) -> None:
        """Start at the first byte of `data`."""
        self._data = data
        self._offset = 0

    @property
    def finished(self) -> bool:
        """True if every byte was read."""
        return self._offset == len(self._data)

    def read_bytes(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        end = self._offset + count
        if count < 0:
            raise self._unexpected("a length")
        if end > len(self._data):
            raise UnreadableModel(
                f"The dlib model ends at byte {len(self._data)}, but at least {end} are needed; "
                "the file is truncated."
            )
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def integer(self) -> int:
        """Return an integer: a byte with the sign in bit 7 and a length, then the magnitude."""
        (control,) = self.read_bytes(1)
        count = control & 0x0F
        if control & 0x70 or not 1 <= count <= 8:
            raise self._unexpected(f"an integer, found the byte 0x{control:02x}")
        magnitude = int.from_bytes(self.read_bytes(count), "little")
        return -magnitude if control & 0x80 else magnitude

    def real(self) -> float:
        """Return a float, which is stored as the integers m and e of m * 2**e."""
        mantissa = self.integer()
        return math.ldexp(mantissa, self.integer())

    def flag(self) -> bool:
        """Return a boolean, which is stored as the character 0 or 1."""
        byte = self.read_bytes(1)
        if byte not in (b"0", b"1"):
            raise self._unexpected(f"a boolean, found {byte!r}")
        return byte == b"1"

    def text(self) -> str:
        """Return a string, which is stored as its length and its bytes."""
        return self.read_bytes(self.integer()).decode("ascii", "replace")

    def tensor(self) -> Floats:
        """Return a tensor (samples, channels, rows, columns): version 2, shape, raw float32."""
        if self.integer() != 2:
            raise self._unexpected("a tensor of version 2")
        shape = self.pair() + self.pair()
        if min(shape) < 0:
            raise self._unexpected(f"a tensor, found the shape {shape}")
        return np.frombuffer(self.read_bytes(4 * math.prod(shape)), "<f4").reshape(shape)

    def pair(self) -> tuple[int, int]:
        """Return two integers; dlib stores sizes as y, then x."""
        return self.integer(), self.integer()

    def _unexpected(self, what: str) -> UnreadableModel:
        return UnreadableModel(
            f"The dlib model should have {what}, near byte {self._offset}; "
            "it is not a dlib face recognition network."
        )


def parse(data: bytes) -> tuple[Input, Sequence[Layer]]:
    """Return the input layer and the layers from the input to the output.

    Raises:
        UnreadableModel: if `data` is not a dlib network of supported layers.
    """
    reader = Reader(data)
    reader.integer()
    if (loss := reader.text()) != "loss_metric_2":
        raise UnreadableModel(
            f"The dlib model has the loss {loss[:40]!r}; a face recognition network has "
            "'loss_metric_2'."
        )
    reader.real(), reader.real()  # margin and distance threshold, used in training only
    versions = [reader.integer()]
    while versions[-1] in (_TAG_OR_SKIP, _LAYER):
        versions.append(reader.integer())
    if versions[-1] != _LAYER_ON_INPUT:
        raise UnreadableModel(f"The dlib model has a layer of unknown version {versions[-1]}.")
    entry = _input(reader)
    layers = [
        TagOrSkip() if version == _TAG_OR_SKIP else _layer(reader, version)
        for version in reversed(versions)
    ]
    if not reader.finished:
        raise UnreadableModel("The dlib model has data after its last layer.")
    return entry, layers


def _input(reader: Reader) -> Input:
    if (name := reader.text()) != "input_rgb_image_sized":
        raise UnreadableModel(f"The dlib model has an unknown input layer {name[:40]!r}.")
    return Input((reader.real(), reader.real(), reader.real()), reader.integer(), reader.integer())


def _layer(reader: Reader, version: int) -> Layer:
    name = reader.text()
    if name not in _READERS:
        raise UnreadableModel(f"The dlib model has an unknown layer {name[:40]!r}.")
    layer = _READERS[name](reader)
    for _ in range(3):  # is set up; gradient is stale; gradients are off
        reader.flag()
    for _ in range(3):  # gradient of the input, cached output, gradient of the parameters
        reader.tensor()
    if version == _LAYER_ON_INPUT:
        reader.integer()  # tensors per image
    return layer


def _convolution(reader: Reader) -> Convolution:
    parameters = reader.tensor().ravel()
    filters = reader.integer()
    window = reader.pair()
    stride, padding = reader.pair(), reader.pair()
    shape = _alias(reader)
    _alias(reader)
    _rates(reader)
    if shape[0] != filters or shape[2:] != window or parameters.size != math.prod(shape) + filters:
        raise UnreadableModel("The dlib model has a convolution whose sizes contradict each other.")
    return Convolution(
        weights=parameters[:-filters].reshape(shape),
        biases=parameters[-filters:],
        stride=stride,
        padding=padding,
    )


def _affine(reader: Reader) -> Affine:
    gamma, beta = np.split(reader.tensor().ravel(), 2)
    _alias(reader), _alias(reader)
    if reader.integer() != 0:
        raise UnreadableModel("The dlib model has an affine layer that is not per channel.")
    return Affine(gamma, beta)


def _max_pool(reader: Reader) -> Pool:
    return Pool(False, reader.pair(), reader.pair(), reader.pair())


def _average_pool(reader: Reader) -> Pool:
    return Pool(True, reader.pair(), reader.pair(), reader.pair())


def _fully_connected(reader: Reader) -> FullyConnected:
    outputs, inputs = reader.pair()
    weights = reader.tensor()
    _alias(reader), _alias(reader)
    if reader.integer() != 1 or weights.size != inputs * outputs:
        raise UnreadableModel("The dlib model has a fully connected layer with a bias.")
    _rates(reader)
    return FullyConnected(weights.reshape(inputs, outputs))


def _alias(reader: Reader) -> tuple[int, int, int, int]:
    """Return the shape of a part of the parameters, which is stored as a version and four sizes."""
    reader.integer()
    return reader.pair() + reader.pair()


def _rates(reader: Reader) -> None:
    """Skip the learning rates and weight decays of the weights and the biases."""
    for _ in range(4):
        reader.real()


_READERS: dict[str, Callable[[Reader], Layer]] = {
    "con_4": _convolution,
    "affine_": _affine,
    "relu_": lambda _: Relu(),
    "max_pool_2": _max_pool,
    "avg_pool_2": _average_pool,
    "add_prev_": lambda _: AddPrevious(),
    "fc_2": _fully_connected,
}
