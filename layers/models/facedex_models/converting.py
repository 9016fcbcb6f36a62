"""Conversion of networks, as published, to the ONNX files that the vision package runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from facedex_models import centerface_to_dynamic, dlib_to_onnx, sface
from facedex_models.activation_statistics import read_measured
from facedex_models.attributes import dlib_heads_to_onnx, emotions_to_onnx, tflite_to_onnx
from facedex_models.model_errors import ModelError
from facedex_models.networks import Network, read_ranges
from facedex_models.quantising import quantise


def _as_published(data: bytes) -> bytes:
    return data


# By kind of network: the function that converts its file to ONNX.
CONVERTERS: Mapping[str, Callable[[bytes], bytes]] = {
    "centerface": centerface_to_dynamic.convert,
    "dlib-resnet": dlib_to_onnx.convert,
    "yunet": _as_published,
    "scrfd": _as_published,
    "sface": _as_published,
    "sface-bytes": sface.convert,
    "arcface": _as_published,
    "age": dlib_heads_to_onnx.convert_age,
    "gender": dlib_heads_to_onnx.convert_gender,
    "face-mesh": tflite_to_onnx.convert_mesh,
    "iris": tflite_to_onnx.convert_iris,
    "emotions": emotions_to_onnx.convert,
}


# For kinds that `quantise` cannot convert: the function that converts a file to a faster network,
# given what was measured of it: to 8 bits, or to fewer channels.
REDUCERS: Mapping[str, Callable[[bytes, bytes], bytes]] = {
    "sface-bytes": sface.quantise,
    "iris": tflite_to_onnx.thin_iris,
}


def convert(network: Network, data: bytes) -> bytes:
    """Return a network's ONNX file; a faster one if its manifest names a file of measurements.

    Raises:
        ModelError: if the manifest names an unknown kind, or the data are not of that kind.
    """
    if network.kind not in CONVERTERS:
        raise ModelError(
            f"The manifest names the unknown kind {network.kind!r}; known kinds are:"
            f" {', '.join(CONVERTERS)}."
        )
    if network.ranges and network.kind in REDUCERS:
        return REDUCERS[network.kind](data, read_ranges(network.ranges))
    converted = CONVERTERS[network.kind](data)
    if network.ranges:
        return quantise(converted, *read_measured(read_ranges(network.ranges)))
    return converted
