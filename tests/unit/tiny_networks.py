"""Small ONNX graphs with the inputs and outputs of networks that no test can download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]

STRIDES = (8, 16, 32)
# The output of scrfd() around a cell with a block of colour, in cells.
BOX = np.array([1.5, 2, 2.5, 3], dtype=np.float32)  # distances to left, top, right, bottom
POINTS = np.array(
    [[-0.5, -0.75], [1.25, -0.5], [0.25, 0.5], [-0.25, 1.5], [1, 1.75]], dtype=np.float32
)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[np.generic]],
    shape: list[int | str],
    outputs: dict[str, list[int | str]],
) -> Path:
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input.1", floats, shape)],
        [helper.make_tensor_value_info(name, floats, axes) for name, axes in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def scrfd(
    path: Path, *, batch_axis: bool = False, size: int | None = None, landmarks: bool = True
) -> Path:
    """Write a network in SCRFD's format that detects blocks of colour.

    A cell's first anchor has the mean of the block under it as its score, in the channel of its
    grid: red for stride 8, green for 16, blue for 32. The second anchor's score is always 0.
    Boxes and landmarks are always BOX and POINTS.
    """
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, NDArray[np.generic]] = {}
    outputs: dict[str, list[int | str]] = {}
    for part, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        if part == "kps" and not landmarks:
            continue
        for channel, stride in enumerate(STRIDES):
            kernel = np.zeros((2 * width, 3, stride, stride), dtype=np.float32)
            bias = np.zeros(2 * width, dtype=np.float32)
            if part == "score":
                kernel[0, channel] = 1 / stride**2
            else:
                bias[:] = np.tile(BOX if part == "bbox" else POINTS.ravel(), 2)
            name = f"{part}{stride}"
            shape = [1, -1, width] if batch_axis else [-1, width]
            weights |= {
                f"{name}.kernel": kernel,
                f"{name}.bias": bias,
                f"{name}.shape": np.array(shape, dtype=np.int64),
            }
            nodes += [
                helper.make_node(
                    "Conv",
                    ["input.1", f"{name}.kernel", f"{name}.bias"],
                    [f"{name}.map"],
                    strides=[stride, stride],
                ),
                helper.make_node("Transpose", [f"{name}.map"], [f"{name}.last"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}.last", f"{name}.shape"], [name]),
            ]
            outputs[name] = [*([1] if batch_axis else []), f"cells{stride}", width]
    return _save(path, nodes, weights, [1, 3, size or "rows", size or "columns"], outputs)


def paint(pixels: NDArray[np.uint8], stride: int, row: int, column: int) -> Floats:
    """Fill one cell with the colour that scrfd() detects; return the resulting box, in pixels."""
    top, left = row * stride, column * stride
    pixels[top : top + stride, left : left + stride, STRIDES.index(stride)] = 255
    reach = np.array([-BOX[0], -BOX[1], BOX[2], BOX[3]], dtype=np.float32)
    return np.tile(np.array([left, top], dtype=np.float32), 2) + reach * stride


def embedder(path: Path, dimension: int, *, batch: int | str = "batch") -> tuple[Path, Floats]:
    """Write a network in ArcFace's format; return its path and its matrix (192, dimension).

    Its vector is a nonlinear function of the means of 14 x 14 pixels: tanh(means @ matrix).
    """
    matrix = np.random.default_rng(7).normal(0, 0.25, (192, dimension)).astype(np.float32)
    nodes = [
        helper.make_node(
            "AveragePool", ["input.1"], ["means"], kernel_shape=[14, 14], strides=[14, 14]
        ),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["product"]),
        helper.make_node("Tanh", ["product"], ["vector"]),
    ]
    shape: list[int | str] = [batch, 3, 112, 112]
    return _save(path, nodes, {"matrix": matrix}, shape, {"vector": [batch, dimension]}), matrix
