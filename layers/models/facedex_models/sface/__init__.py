"""Conversion of OpenCV Zoo's block-quantised SFace to ONNX networks in floats and in 8 bits."""

from __future__ import annotations

from facedex_models.sface import eight_bits, floats, tables
from facedex_models.sface.reading import parse

__all__ = ["convert", "quantise"]


def convert(data: bytes) -> bytes:
    """Convert OpenCV Zoo's block-quantised SFace to a network in floats, deterministically.

    Raises:
        UnreadableModel: if `data` is not this network.
    """
    return floats.write(parse(data))


def quantise(data: bytes, measured: bytes) -> bytes:
    """Convert OpenCV Zoo's block-quantised SFace to a network in 8 bits, deterministically.

    Args:
        data: content of the file.
        measured: content of the tables that ship with the manifest.

    Raises:
        UnreadableModel: if `data` or the tables are not those of this network.
    """
    network = parse(data)
    return eight_bits.build(network, tables.read(measured, network))
