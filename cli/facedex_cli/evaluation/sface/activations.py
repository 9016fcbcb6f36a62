"""SFace's activations on chips: their ranges, means and covariances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from facedex_models.sface import floats
from facedex_models.sface.network import MEAN, SCALE, Doubles, Layer, Network

SAMPLES = 6  # positions in each chip at which activations are sampled
# One in this many chips is used for the covariances of windows, which are slow to compute.
WINDOWED = 24
SEED = 5

Singles = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """The outputs of a layer's convolution, before its slopes, and its input windows."""

    side: int  # of the map, pixels
    lowest: Doubles  # (out,)
    highest: Doubles  # (out,)
    means: Doubles  # (out,): after the slopes
    samples: Singles  # (n, out)
    windows: Doubles | None  # covariance of the input windows; None for windows of one pixel


def observe(network: Network, chips: NDArray[np.uint8]) -> list[Seen]:
    """Run the network on chips (n, 112, 112, 3) and return the measurements of each layer."""
    layers = network.layers
    gatherers = [_Gatherer(layer, len(chips)) for layer in layers]
    random = np.random.default_rng(SEED)
    for number, values in enumerate(_run(network, chips)):
        given = (chips[number].transpose(2, 0, 1).astype(np.float32) - np.float32(MEAN)) / SCALE
        for gatherer, found in zip(gatherers, values, strict=True):
            rectified = gatherer.add_output(found, random)
            if number % WINDOWED == 0 and gatherer.windowed:
                gatherer.add_windows(given)
            given = rectified
    return [gatherer.seen() for gatherer in gatherers]


def _run(network: Network, chips: NDArray[np.uint8]) -> Iterator[list[Singles]]:
    """Yield, for each chip, the output (out, rows, columns) of each layer's convolution."""
    model = onnx.load_model_from_string(floats.write(network))
    names = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for chip in chips:
        yield [values[0] for values in session.run(names, {"chips": chip[None]})]


class _Gatherer:
    """The accumulated measurements of one layer."""

    def __init__(self, layer: Layer, chips: int) -> None:
        self._layer = layer
        self.windowed = layer.weights[0, 0].size > 1
        self._slopes = layer.slopes.astype(np.float32)[:, None]
        self._lowest = np.full(layer.channels, np.inf)
        self._highest = np.full(layer.channels, -np.inf)
        self._sum = np.zeros(layer.channels)
        self._samples = np.empty((chips * SAMPLES, layer.channels), np.float32)
        self._chips = 0
        self._side = 0
        self._products = np.zeros(())
        self._windows = 0.0

    def add_output(self, found: Singles, random: np.random.Generator) -> Singles:
        """Record the convolution's output for one chip, and return it after the slopes."""
        self._side = found.shape[1]
        flat = found.reshape(len(found), -1)
        self._lowest = np.minimum(self._lowest, flat.min(axis=1))
        self._highest = np.maximum(self._highest, flat.max(axis=1))
        rectified: Singles = np.maximum(flat, flat * self._slopes)
        self._sum += rectified.mean(axis=1, dtype=np.float64)
        places = random.integers(0, flat.shape[1], SAMPLES)
        start = self._chips * SAMPLES
        self._samples[start : start + SAMPLES] = flat[:, places].T
        self._chips += 1
        return rectified.reshape(found.shape)

    def add_windows(self, given: Singles) -> None:
        """Record the covariance of the values of an input window.

        For a depthwise layer this is the average over its channels, each divided by its variance;
        channels are rounded separately, so a common factor does not matter.
        """
        layer = self._layer
        side = layer.weights.shape[2]
        pad = layer.padding
        padded = np.pad(given.astype(np.float64), ((0, 0), (pad, pad), (pad, pad)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
        views = views[:, :: layer.stride, :: layer.stride]
        products: Doubles
        if layer.depthwise:
            windows = views.reshape(len(given), -1, side * side)
            centred = windows - windows.mean(axis=1, keepdims=True)
            covariances = centred.transpose(0, 2, 1) @ centred
            scale = np.trace(covariances, axis1=1, axis2=2)
            alive = scale > 1e-9 * scale.max()
            products = (covariances[alive] / scale[alive, None, None]).mean(axis=0)
        else:
            # Not centred, as the tables have no means of pixels for correcting the biases.
            all_windows = views.transpose(1, 2, 0, 3, 4).reshape(-1, len(given) * side * side)
            products = all_windows.T @ all_windows / len(all_windows)
        self._products = self._products + products
        self._windows += 1

    def seen(self) -> Seen:
        """Return the measurements."""
        return Seen(
            self._side,
            self._lowest,
            self._highest,
            self._sum / self._chips,
            self._samples[: self._chips * SAMPLES],
            self._products / self._windows if self.windowed else None,
        )
