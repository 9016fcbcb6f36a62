"""OpenCV Zoo's SFace: the block-quantised file as ONNX networks in floats and in 8 bits."""

from __future__ import annotations

from facedex_models.sface.floats import write
from facedex_models.sface.reading import parse

__all__ = ["convert"]


def convert(data: bytes) -> bytes:
    """Return OpenCV Zoo's block-quantised SFace as a network in floats; the same bytes every time.

    Raises UnreadableModel where data is another network or none.
    """
    return write(parse(data))
