"""OpenCV Zoo's SFace: the block-quantised file as ONNX networks in floats and in 8 bits."""

from __future__ import annotations

from facedex_models.sface import eight_bits, floats, tables
from facedex_models.sface.reading import parse

__all__ = ["convert", "quantise"]


def convert(data: bytes) -> bytes:
    """Return OpenCV Zoo's block-quantised SFace as a network in floats; the same bytes every time.

    Raises UnreadableModel where data is another network or none.
    """
    return floats.write(parse(data))


def quantise(data: bytes, measured: bytes) -> bytes:
    """Return the same file as a network in 8 bits; the same bytes every time.

    measured: the content of the tables that ship beside the manifest.

    Raises UnreadableModel where data or the tables are those of another network.
    """
    network = parse(data)
    return eight_bits.build(network, tables.read(measured, network))
