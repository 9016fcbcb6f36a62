"""Conversion of the emotion network (mini-Xception, trained on FER-2013) from Keras to ONNX.

The network is that of https://github.com/oarriaga/face_classification, `mini_XCEPTION`; the file
names the layers, whose order and strides are those of that function.

Input `chips`: (n, 64, 64, 3) uint8, RGB; n is variable. The network's own input is grey,
(luma / 255 - 0.5) * 2, with the luma of ITU-R BT.601. The scale is folded into the first
convolution, which has no padding, and every batch normalisation into the convolution before it.
Outputs, for each chip and for its mirror image: `probabilities`, (n, 2, 7): angry, disgusted,
afraid, happy, sad, surprised, calm; `features`, (n, 2, 128, 4, 4): the input of the last
convolution, for other classifiers.

Both views are one picture of twice the channels. ONNX Runtime's fast layout has blocks of 16
channels, and the first layers have 8: one view alone would take them as long.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from facedex_models.attributes.hdf5_format import Floats, read_arrays
from facedex_models.model_errors import UnreadableModel
from facedex_models.onnx_graph import Graph

SIDE = 64
EMOTIONS = 7
FEATURES = (128, 4, 4)
VIEWS = 2

_LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B
_BLOCK = 16  # channels of a block of ONNX Runtime's layout, the fewest of a group
_EPSILON = 1e-3  # of every batch normalisation
# The stages after the first two convolutions: the side of their input, the numbers in the names of
# the convolution and the normalisation that bypass the stage, and of its two separable ones.
_STAGES = (
    (60, (3, 3), (1, 4), (2, 5)),
    (30, (4, 6), (3, 7), (4, 8)),
    (15, (5, 9), (5, 10), (6, 11)),
    (8, (6, 12), (7, 13), (8, 14)),
)

Doubles = NDArray[np.float64]


def convert(data: bytes) -> bytes:
    """Convert the network, deterministically.

    Raises:
        UnreadableModel: if `data` is not this network.
    """
    writer = _Writer(read_arrays(data, "model_weights"))
    try:
        return writer.write()
    except (KeyError, ValueError) as error:
        raise UnreadableModel(f"The Keras file is not the emotion network: {error}.") from error


class _Writer:
    """Writes the layers into an ONNX graph."""

    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        self._arrays = arrays
        self._graph = Graph()

    def write(self) -> bytes:
        """Return the serialised model."""
        graph = self._graph
        self._enter()
        weights, biases = self._normalised(self._kernel("conv2d_1"), 1)
        biases = biases - weights.sum(axis=(1, 2, 3))
        self._convolve("conv2d_1", weights * 2 / 255, biases)
        graph.add("Relu")
        self._convolve("conv2d_2", *self._normalised(self._kernel("conv2d_2"), 2))
        graph.add("Relu")
        for stage in _STAGES:
            self._stage(*stage)
        views = self._reshape(-1, *FEATURES)
        features = self._reshape(-1, VIEWS, *FEATURES)
        graph.latest = views
        graph.add(
            "Conv",
            graph.single("conv2d_7_weights", self._kernel("conv2d_7")),
            graph.single("conv2d_7_biases", self._array("conv2d_7", "bias")),
            kernel_shape=[3, 3],
            pads=[1] * 4,
        )
        graph.add("GlobalAveragePool")
        graph.add("Flatten", axis=1)
        graph.add("Softmax", axis=1)
        probabilities = self._reshape(-1, VIEWS, EMOTIONS)
        return graph.model(
            "emotions",
            SIDE,
            {
                "probabilities": (probabilities, (VIEWS, EMOTIONS)),
                "features": (features, (VIEWS, *FEATURES)),
            },
        )

    def _enter(self) -> None:
        """Add the grey chip and its mirror image as two channels."""
        graph = self._graph
        graph.add("Cast", to=TensorProto.FLOAT)
        graph.add("MatMul", graph.single("luma", _LUMA[:, None]))
        chip = self._reshape(0, 1, SIDE, SIDE)
        ends = {"start": -1, "end": -SIDE - 1, "axis": 3, "step": -1}
        mirror = graph.add(
            "Slice", *(graph.constant(name, np.array([end])) for name, end in ends.items())
        )
        graph.latest = graph.branch("Concat", [chip, mirror], axis=1)

    def _reshape(self, *shape: int) -> str:
        name = "shape_" + "_".join(map(str, shape))
        return self._graph.add("Reshape", self._graph.constant(name, np.array(shape)))

    def _stage(
        self, side: int, bypass: tuple[int, int], first: tuple[int, int], second: tuple[int, int]
    ) -> None:
        given = self._graph.latest
        self._separable(*first)
        self._graph.add("Relu")
        self._separable(*second)
        pooled = self._graph.add(
            "MaxPool",
            kernel_shape=[3, 3],
            strides=[2, 2],
            # Keras pads an even side below and to the right only.
            pads=[side % 2, side % 2, 1, 1],
        )
        self._graph.latest = given
        name = f"conv2d_{bypass[0]}"
        self._convolve(name, *self._normalised(self._kernel(name), bypass[1]), stride=2)
        self._graph.add("Add", pooled)

    def _separable(self, number: int, normalisation: int) -> None:
        """Add a convolution of each channel and one of all channels of each pixel."""
        name = f"separable_conv2d_{number}"
        depthwise = self._array(name, "depthwise_kernel").transpose(2, 3, 0, 1)
        channels = len(depthwise)
        self._convolve(f"{name}_depthwise", depthwise, None, padding=1, groups=channels)
        pointwise = self._array(name, "pointwise_kernel").transpose(3, 2, 0, 1)
        self._convolve(name, *self._normalised(pointwise, normalisation))

    def _convolve(
        self,
        name: str,
        weights: Doubles,
        biases: Doubles | None,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> None:
        """Add a convolution of both views; the arguments are those for one."""
        if groups > 1 or weights.shape[1] % _BLOCK == 0:
            weights, groups = np.concatenate([weights] * VIEWS), groups * VIEWS
        else:  # each view with weights of 0 for the other one
            empty = np.zeros_like(weights)
            weights = np.concatenate(
                [np.concatenate([weights, empty], axis=1), np.concatenate([empty, weights], axis=1)]
            )
        constants = [self._graph.single(f"{name}_weights", weights)]
        if biases is not None:
            constants.append(self._graph.single(f"{name}_biases", np.concatenate([biases] * VIEWS)))
        self._graph.add(
            "Conv",
            *constants,
            kernel_shape=weights.shape[2:],
            strides=[stride] * 2,
            pads=[padding] * 4,
            group=groups,
        )

    def _normalised(self, weights: Doubles, number: int) -> tuple[Doubles, Doubles]:
        """Return weights and biases of a convolution with its normalisation folded in."""
        name = f"batch_normalization_{number}"
        variance = self._array(name, "moving_variance")
        factors = self._array(name, "gamma") / np.sqrt(variance + _EPSILON)
        biases = self._array(name, "beta") - self._array(name, "moving_mean") * factors
        return weights * factors[:, None, None, None], biases

    def _kernel(self, layer: str) -> Doubles:
        return self._array(layer, "kernel").transpose(3, 2, 0, 1)

    def _array(self, layer: str, name: str) -> Doubles:
        return self._arrays[f"{layer}/{layer}_1/{name}:0"].astype(np.float64)
