"""SFace with all convolutions in 8 bits, in two fifths of the time of the network in floats.

ONNX Runtime's usual static quantisation is slow and inaccurate for this network, because its PRelu
needs floats, and the channels of a layer have very different ranges. Instead:

- PRelu, max(x, slope · x), is computed as the maximum of two tensors of bytes.
- Every channel has its own step, which is folded into the weights before and after it. For ONNX
  Runtime every activation has the scale 1.
- A depthwise layer is cheap. It runs twice, the second time with its weights multiplied by the
  slopes. The next layer has no padding, so each channel has its own zero.
- Any other convolution runs once, and a 1 x 1 depthwise convolution multiplies its bytes by the
  slopes. The next layer pads with zeros, so all channels have the same zero.

Inputs and outputs are those of the network in floats (floats.py).
"""

from __future__ import annotations

import numpy as np

from facedex_models.model_errors import UnreadableModel
from facedex_models.onnx_graph import Graph
from facedex_models.sface.network import MEAN, SCALE, Dense, Doubles, Layer, Network
from facedex_models.sface.rounding import round_balanced, round_nearest
from facedex_models.sface.tables import Table

# Weights use 7 of the 8 bits: on CPUs without 8-bit dot-product instructions (VNNI), ONNX Runtime
# adds two products in 16 bits, which overflow with 8-bit weights, so the vectors would depend on
# the CPU. Depthwise kernels do not have this problem.
WEIGHT_STEPS = 63
DEPTHWISE_STEPS = 127
SLOPE_STEPS = 64  # a power of two, so that slope / 64 · 64 is exactly the slope
# Minimum absolute value of slopes, as biases are divided by them.
LEAST_SLOPE = 1e-3
PIXEL_ZERO = 128  # the byte that represents MEAN, although it is half a step larger
DAMPING = {"first": 1e-3, "depthwise": 1e-2, "pointwise": 1e-2}

_MICROSOFT = "com.microsoft"


def build(network: Network, tables: tuple[Table, ...]) -> bytes:
    """Return the network as a serialised ONNX model in 8 bits, deterministically.

    Args:
        network: the network.
        tables: the measurements of each layer.

    Raises:
        UnreadableModel: if the layers after the first do not alternate between depthwise and
            pointwise ones.
    """
    padded = [layer.padding > 0 for layer in network.layers]
    depthwise = [layer.depthwise for layer in network.layers]
    pairs = len(padded) // 2
    if padded != [True, *[True, False] * pairs] or depthwise != [False, *[True, False] * pairs]:
        raise UnreadableModel("The SFace file has its layers in another order.")
    writer = _Writer()
    for layer, table in zip(network.layers, tables, strict=True):
        writer.add(layer, table)
    writer.finish(network.dense)
    embeddings = (writer.graph.latest, (len(network.dense.biases),))
    return writer.graph.model("sface", network.side, {"embeddings": embeddings}, _MICROSOFT)


class _Writer:
    """The graph under construction, and the interpretation of its latest bytes."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.graph.add("Transpose", perm=[0, 3, 1, 2])
        # ONNX Runtime convolves multiples of four channels in half the time.
        self.graph.add("Gather", self.graph.constant("channels", np.array([0, 1, 2, 2])), axis=1)
        self._one = self.graph.constant("one", np.array(1, np.float32))
        # For each channel: the value of a step, the byte that means 0, and the mean.
        self._steps = np.full(3, 1 / SCALE)
        self._zeros = np.full(3, float(PIXEL_ZERO))
        self._means = np.zeros(3)

    def add(self, layer: Layer, table: Table) -> None:
        """Add a layer; its output becomes the latest bytes."""
        side = self._depthwise if layer.depthwise else self._mixing
        self.graph.latest, sloped = side(layer, table)
        self.graph.add("Max", sloped)
        self._steps, self._zeros, self._means = table.steps, table.zeros, table.means

    def _mixing(self, layer: Layer, table: Table) -> tuple[str, str]:
        """Add a convolution over all channels; return its output, and that times the slopes."""
        first = layer.padding > 0
        taps = layer.weights[0, 0].size
        steps = np.repeat(self._steps, taps)
        flat = layer.weights.reshape(layer.channels, -1)
        whole, scales = round_balanced(
            flat * steps,
            WEIGHT_STEPS,
            table.given.scaled(1 / steps),
            DAMPING["first" if first else "pointwise"],
        )
        rounded = whole * scales[:, None] / steps
        biases = layer.biases + (flat - rounded) @ np.repeat(self._means, taps)
        if first:  # the padding byte differs from the mean by half a step
            zero = PIXEL_ZERO
            biases += rounded.sum(axis=1) * (PIXEL_ZERO - MEAN) / SCALE
        else:
            zero = 0
            biases -= rounded @ (self._zeros * self._steps)
        middle = int(table.zeros[0])
        weights = whole.reshape(layer.weights.shape)
        if first:  # the fourth channel counts for nothing
            weights = np.pad(weights, ((0, 0), (0, 1), (0, 0), (0, 0)))
        plain = self._convolve(
            layer.name,
            self.graph.latest,
            (zero, middle),
            weights,
            scales / table.steps,
            biases / scales,
            stride=layer.stride,
            padding=layer.padding,
        )
        slopes = _slopes(layer)
        sloped = self._convolve(
            f"{layer.name}_sloped",
            plain,
            (middle, middle),
            (np.sign(slopes) * SLOPE_STEPS).reshape(-1, 1, 1, 1),
            np.abs(slopes) / SLOPE_STEPS,
            groups=layer.channels,
        )
        return plain, sloped

    def _depthwise(self, layer: Layer, table: Table) -> tuple[str, str]:
        """Add a depthwise convolution twice; return its output, and that times the slopes."""
        flat = layer.weights.reshape(layer.channels, -1)
        whole, scales = round_balanced(
            flat * self._steps[:, None], DEPTHWISE_STEPS, table.given, DAMPING["depthwise"]
        )
        rounded = whole * (scales / self._steps)[:, None]
        biases = layer.biases + (flat - rounded).sum(axis=1) * self._means
        slopes = _slopes(layer)
        given = self.graph.latest

        def side(name: str, signs: Doubles, sizes: Doubles) -> str:
            factors = scales * sizes / table.steps
            return self._convolve(
                name,
                given,
                (int(self._zeros[0]), 0),
                (whole * signs[:, None]).reshape(layer.weights.shape),
                factors,
                signs * biases / scales + table.zeros / factors,
                stride=layer.stride,
                padding=layer.padding,
                groups=layer.groups,
            )

        ones = np.ones_like(slopes)
        plain = side(layer.name, ones, ones)
        return plain, side(f"{layer.name}_sloped", np.sign(slopes), np.abs(slopes))

    def finish(self, dense: Dense) -> None:
        """Add the dense layer, whose output is in floats."""
        places = dense.weights[0, 0].size
        flat = dense.weights.reshape(len(dense.weights), -1)
        steps = np.repeat(self._steps, places)
        whole, scales = round_nearest(flat * steps, WEIGHT_STEPS)
        rounded = whole * scales[:, None] / steps
        biases = dense.biases + (flat - rounded) @ np.repeat(self._means, places)
        self.graph.add("Flatten", axis=1)
        self.graph.add(
            "QGemm",
            self._one,
            self._zero(int(self._zeros[0])),
            self.graph.constant("dense_weights", whole.T.astype(np.int8)),
            self.graph.single("dense_scales", scales),
            self.graph.constant("dense_zeros", np.zeros(len(scales), np.int8)),
            self._whole("dense_biases", biases / scales),
            domain=_MICROSOFT,
            transA=0,
            transB=0,
            alpha=1.0,
        )

    def _convolve(
        self,
        name: str,
        given: str,
        zeros: tuple[int, int],
        whole: Doubles,
        factors: Doubles,
        biases: Doubles | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> str:
        """Add a convolution of bytes and return the name of its output.

        Args:
            name: prefix of the constants' names.
            given: name of the input.
            zeros: the bytes that mean 0 in the input and in the output.
            whole: (out, in / groups, k, k) integer weights.
            factors: (out,) steps of the output for one unit of the sum of products.
            biases: (out,) in units of the sum of products; None for no biases.
            stride: of the convolution.
            padding: pixels on each side.
            groups: of the convolution.
        """
        graph = self.graph
        inputs = [
            given,
            self._one,
            self._zero(zeros[0]),
            graph.constant(f"{name}_weights", whole.astype(np.int8)),
            graph.single(f"{name}_scales", factors),
            graph.constant("zero_weight", np.array(0, np.int8)),
            self._one,
            self._zero(zeros[1]),
        ]
        if biases is not None:
            inputs.append(self._whole(f"{name}_biases", biases))
        return graph.branch(
            "QLinearConv",
            inputs,
            kernel_shape=whole.shape[2:],
            strides=[stride] * 2,
            pads=[padding] * 4,
            group=groups,
        )

    def _zero(self, byte: int) -> str:
        return self.graph.constant(f"zero_{byte}", np.array(byte, np.uint8))

    def _whole(self, name: str, biases: Doubles) -> str:
        most = 2**31 - 1
        whole = np.clip(np.rint(biases), -most, most).astype(np.int32)
        return self.graph.constant(name, whole)


def _slopes(layer: Layer) -> Doubles:
    """Return the slopes, with absolute values of at least LEAST_SLOPE."""
    signs = np.where(layer.slopes < 0, -1.0, 1.0)
    return signs * np.maximum(np.abs(layer.slopes), LEAST_SLOPE)
