"""Preparation of networks for quantisation; in floats, the result computes the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import onnx
from onnx import helper, numpy_helper

from facedex_models.equalising import Peaks, equalise

OPSET = 13  # the first one with a scale for each channel


def prepare(data: bytes, peaks: Peaks = MappingProxyType({})) -> onnx.ModelProto:
    """Bring a network to the form in which it is quantised.

    Converts it to a recent enough opset, folds normalisations, replaces averages by convolutions,
    joins consecutive linear layers and equalises the channels of some activations.

    Args:
        data: the ONNX network.
        peaks: of the activations to be equalised.
    """
    model = onnx.load_model_from_string(data)
    if model.opset_import[0].version < OPSET:
        model = _convert(model)
    _fold_normalisations(model.graph)
    _convolve_averages(model)
    _join_linear(model.graph)
    equalise(model.graph, peaks)
    return model


def _convert(model: onnx.ModelProto) -> onnx.ModelProto:
    """Bring a network to the opset. The converter of onnx wants the weights among the inputs."""
    for weight in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims))
        )
    converted = onnx.version_converter.convert_version(model, OPSET)
    weights = {weight.name for weight in converted.graph.initializer}
    inputs = [value for value in converted.graph.input if value.name not in weights]
    del converted.graph.input[:]
    converted.graph.input.extend(inputs)
    return converted


def _fold_normalisations(graph: onnx.GraphProto) -> None:
    """Put every batch normalisation into the transposed convolution before it."""
    constants = {constant.name: constant for constant in graph.initializer}
    produced = {node.output[0]: node for node in graph.node}
    for node in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        before = produced[node.input[0]]
        if before.op_type != "ConvTranspose" or len(before.input) != 2:
            continue
        gain, shift, mean, variance = (
            numpy_helper.to_array(constants[name]).astype(np.float64) for name in node.input[1:5]
        )
        epsilon = next(a.f for a in node.attribute if a.name == "epsilon")
        factor = gain / np.sqrt(variance + epsilon)
        weights = constants[before.input[1]]  # (in, out, rows, columns)
        scaled = numpy_helper.to_array(weights) * factor[None, :, None, None]
        weights.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), weights.name))
        bias = numpy_helper.from_array(
            (shift - mean * factor).astype(np.float32), f"{weights.name}_bias"
        )
        graph.initializer.append(bias)
        before.input.append(bias.name)
        before.output[0] = node.output[0]
        graph.node.remove(node)


def _convolve_averages(model: onnx.ModelProto) -> None:
    """Make an average over windows without padding the convolution that it is.

    In 8 bits that gives the same, in a third of the time.
    """
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inferred}
    for node in model.graph.node:
        settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type != "AveragePool" or any(settings.get("pads", ())) or len(settings) > 3:
            continue
        channels = shapes[node.input[0]][1].dim_value
        window = settings["kernel_shape"]
        share = np.full((channels, 1, *window), 1 / np.prod(window), np.float32)
        model.graph.initializer.append(numpy_helper.from_array(share, f"{node.name}_share"))
        node.op_type = "Conv"
        node.input.append(f"{node.name}_share")
        node.attribute.append(helper.make_attribute("group", channels))


def _join_linear(graph: onnx.GraphProto) -> None:
    """Make a 1 x 1 convolution and its only reader, another one, a single convolution.

    Only where that takes fewer products. One activation less is rounded to 8 bits.
    """
    weights = {constant.name: constant for constant in graph.initializer}
    for first in list(graph.node):
        readers = [node for node in graph.node if set(first.output) & set(node.input)]
        if len(readers) != 1 or not all(_linear(node, weights) for node in (first, *readers)):
            continue
        second = readers[0]
        (inner, before), (outer, after) = (
            [numpy_helper.to_array(weights[name]).astype(np.float64) for name in node.input[1:]]
            for node in (first, second)
        )
        joined = outer[:, :, 0, 0] @ inner[:, :, 0, 0]
        if joined.size >= inner.size + outer.size:
            continue
        for name, values in zip(
            second.input[1:],
            (joined[:, :, None, None], outer[:, :, 0, 0] @ before + after),
            strict=True,
        ):
            weights[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
        second.input[0] = first.input[0]
        graph.node.remove(first)


def _linear(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    """Return whether a node is a 1 x 1 convolution of all channels with a bias and stride 1."""
    if node.op_type != "Conv" or len(node.input) != 3:
        return False
    settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return (
        list(weights[node.input[1]].dims[2:]) == [1, 1]
        and settings.get("group", 1) == 1
        and all(step == 1 for step in settings.get("strides", ()))
    )
