"""Networks as published become the ONNX files that the vision package runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from facedex_models import centerface_to_dynamic, dlib_to_onnx, sface
from facedex_models.errors import ModelError
from facedex_models.manifests import Network, read_ranges
from facedex_models.quantising import quantise, read_measured


def _as_published(data: bytes) -> bytes:
    return data


# How the file of each kind of network becomes the ONNX file that the vision package runs.
CONVERTERS: Mapping[str, Callable[[bytes], bytes]] = {
    "centerface": centerface_to_dynamic.convert,
    "dlib-resnet": dlib_to_onnx.convert,
    "yunet": _as_published,
    "scrfd": _as_published,
    "sface": _as_published,
    "sface-bytes": sface.convert,
    "arcface": _as_published,
}


# How the file becomes a network in 8 bits with what was measured for it, for those kinds that need
# another way than `quantise`.
QUANTISERS: Mapping[str, Callable[[bytes, bytes], bytes]] = {"sface-bytes": sface.quantise}


def convert(network: Network, data: bytes) -> bytes:
    """Return a network's ONNX file, in 8 bits where its manifest names measured ranges.

    Raises:
        ModelError: the manifest names a kind that is not known, or the data are not of that kind.
    """
    if network.kind not in CONVERTERS:
        raise ModelError(
            f"The manifest names the kind {network.kind!r}; known are: {', '.join(CONVERTERS)}."
        )
    if network.ranges and network.kind in QUANTISERS:
        return QUANTISERS[network.kind](data, read_ranges(network.ranges))
    converted = CONVERTERS[network.kind](data)
    if network.ranges:
        return quantise(converted, *read_measured(read_ranges(network.ranges)))
    return converted
