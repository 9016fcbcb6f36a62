"""SFace as an ONNX graph in floats.

Input `chips`: (n, 112, 112, 3) uint8, RGB, the pixels from the alignment; n is variable.
Output `embeddings`: (n, 128) float32, not normalised, as the file's network returns them.

PRelu is ONNX Runtime's slowest kernel in this network. As no slope is above 1, it is replaced by
the equivalent maximum, with which the network takes two thirds of the time.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from facedex_models.onnx_graph import Graph
from facedex_models.sface.network import MEAN, SCALE, Network


def write(network: Network) -> bytes:
    """Return the network as a serialised ONNX model, deterministically."""
    graph = Graph()
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
    return graph.model("sface", network.side, {"embeddings": (graph.latest, (len(dense.biases),))})
