"""CenterFace for any number of images of any size.

The published file declares one fixed input, 10 x 3 x 32 x 32, and lists its weights among the
inputs, so that ONNX Runtime warns about each of them and folds none. It also carries counters
from training that no operator reads. The operators and their weights stay as they are.
"""

from __future__ import annotations

import onnx

from facedex_models.errors import UnreadableModel

# Stride 4: heat map, scale, offset, landmarks.
_OUTPUT_STRIDE = 4
# Version 4 lets weights be constants; older ones require that they are inputs too.
_LEAST_IR_VERSION = 4


def convert(data: bytes) -> bytes:
    """Return a serialised ONNX detector with free axes; the same bytes every time.

    Its input is (batch, 3, height, width) float32 with height and width multiples of 32, its
    outputs are (batch, channels, rows, columns) where rows and columns are a quarter of those.
    Raises UnreadableModel where data is no ONNX model with one image input.
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
    _free(model.graph.input[0], "height", "width")
    for output in model.graph.output:
        _free(output, f"height/{_OUTPUT_STRIDE}", f"width/{_OUTPUT_STRIDE}")
    del model.graph.value_info[:]
    _drop_unread_weights(model.graph)
    model.ir_version = max(model.ir_version, _LEAST_IR_VERSION)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise UnreadableModel("The detector is not a valid ONNX network.") from error
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


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
