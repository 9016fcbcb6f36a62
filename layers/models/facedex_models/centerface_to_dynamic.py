"""CenterFace for any number of pictures of any size.

The published file declares one fixed input, 10 x 3 x 32 x 32, and lists its weights among the
inputs, so that ONNX Runtime warns about each of them and folds none. It also carries counters
from training that no operator reads. What it computes stays as it is, in fewer steps:

- pictures come in as they are decoded, rows of RGB bytes: a quarter of what floats take, and
  ONNX Runtime keeps their memory, while an array's would be mapped again for each picture;
- the four convolutions at the end, of 1, 2, 2 and 10 channels, are one of 15: ONNX Runtime
  computes channels by sixteen.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facedex_models.model_errors import UnreadableModel

# Stride 4: heat map, scale, offset, landmarks.
_OUTPUT_STRIDE = 4
# Version 4 lets weights be constants; older ones require that they are inputs too.
_LEAST_IR_VERSION = 4


def convert(data: bytes) -> bytes:
    """Convert the published file to a serialised ONNX detector with free axes.

    The result has the same bytes every time.

    Its input `pixels` is (batch, height, width, 3) uint8 RGB with height and width multiples of
    32, its outputs are (batch, channels, rows, columns) float32 where rows and columns are a
    quarter of those.

    Raises:
        UnreadableModel: if data is not an ONNX model with one image input.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own error class differs between its implementations
        raise UnreadableModel("The detector is not an ONNX file.") from error
    weights = {weight.name for weight in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in weights]
    if len(images) != 1:
        raise UnreadableModel(f"The detector should have one input; it has {len(images)}.")
    del model.graph.input[:]
    model.graph.input.extend(images)
    _take_bytes(model.graph)
    for output in model.graph.output:
        _free(output, f"height/{_OUTPUT_STRIDE}", f"width/{_OUTPUT_STRIDE}")
    del model.graph.value_info[:]
    _join_heads(model.graph)
    _drop_unread_weights(model.graph)
    model.ir_version = max(model.ir_version, _LEAST_IR_VERSION)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise UnreadableModel("The detector is not a valid ONNX network.") from error
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _take_bytes(graph: onnx.GraphProto) -> None:
    """Put an input of pixels before the published one of planes in floats."""
    planes = graph.input[0].name
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", "height", "width", 3])
    )
    # In this order ONNX Runtime takes a quarter less time than in the other.
    graph.node.insert(0, helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]))
    graph.node.insert(1, helper.make_node("Cast", ["planes"], [planes], to=TensorProto.FLOAT))


def _join_heads(graph: onnx.GraphProto) -> None:
    """Make the convolutions that read the same last activation one, and take its result apart."""
    weights = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    last = next(node for node in reversed(graph.node) if node.op_type == "Conv").input[0]
    heads = [node for node in graph.node if last in node.input]
    if any(node.op_type != "Conv" or weights[node.input[1]].shape[2:] != (1, 1) for node in heads):
        raise UnreadableModel("The detector's last layers are not those of CenterFace.")
    joined = helper.make_node("Conv", [last, "heads_weights", "heads_biases"], ["heads"], "heads")
    for number, name in ((1, "heads_weights"), (2, "heads_biases")):
        together = np.concatenate([weights[node.input[number]] for node in heads])
        graph.initializer.append(numpy_helper.from_array(together, name))
    parts = helper.make_node(
        "Split",
        ["heads"],
        [node.output[0] for node in heads],
        "heads_apart",
        axis=1,
        split=[len(weights[node.input[1]]) for node in heads],
    )
    place = list(graph.node).index(heads[0])
    for node in heads:
        graph.node.remove(node)
    graph.node.insert(place, joined)
    graph.node.insert(place + 1, parts)


def _drop_unread_weights(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [weight for weight in graph.initializer if weight.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _free(value: onnx.ValueInfoProto, height: str, width: str) -> None:
    axes = value.type.tensor_type.shape.dim
    if len(axes) != 4:
        raise UnreadableModel(f"The detector's {value.name!r} should have four axes.")
    for axis, name in ((0, "batch"), (2, height), (3, width)):
        axes[axis].dim_param = name
