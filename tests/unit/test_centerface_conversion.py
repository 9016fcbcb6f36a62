from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from facedex_models import centerface_to_dynamic
from facedex_models.fetching import fetch_member
from facedex_models.manifests import manifest
from facedex_models.model_errors import UnreadableModel

CHANNELS = [1, 2, 2, 10]  # heat map, scale, offset, landmarks


@pytest.fixture(scope="module")
def published() -> bytes:
    return fetch_member(manifest("dlib").detector.source)


@pytest.fixture(scope="module")
def converted(published: bytes) -> bytes:
    return centerface_to_dynamic.convert(published)


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 32, 32), (2, 64, 96), (1, 480, 640)])
def test_the_detector_takes_any_batch_and_size(
    converted: bytes, batch: int, height: int, width: int
) -> None:
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"pixels": np.zeros((batch, height, width, 3), np.uint8)})
    assert [output.shape for output in outputs] == [
        (batch, channels, height // 4, width // 4) for channels in CHANNELS
    ]


def test_the_detector_computes_what_the_published_file_computes(
    published: bytes, converted: bytes
) -> None:
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    pixels = np.random.default_rng(3).integers(0, 256, (10, 32, 32, 3), np.uint8)
    planes = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(model, quiet, providers=["CPUExecutionProvider"]).run(
            None, given
        )
        for model, given in ((published, {"input.1": planes}), (converted, {"pixels": pixels}))
    )
    for expected, found in zip(before, after, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_only_the_image_is_an_input(converted: bytes) -> None:
    model = onnx.load_model_from_string(converted)
    assert [value.name for value in model.graph.input] == ["pixels"]


def test_the_pulled_networks_load_without_a_warning(dlib_directory: Path) -> None:
    script = (
        "import onnxruntime as o, sys;"
        "[o.InferenceSession(p, providers=['CPUExecutionProvider']) for p in sys.argv[1:]]"
    )
    networks = [str(dlib_directory / f"{name}.onnx") for name in ("detector", "embedder")]
    run = subprocess.run(
        [sys.executable, "-c", script, *networks], check=True, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("", "")


def test_converting_twice_gives_the_same_bytes(published: bytes, converted: bytes) -> None:
    assert centerface_to_dynamic.convert(published) == converted


def test_the_last_convolutions_are_one(converted: bytes) -> None:
    nodes = {node.name: node for node in onnx.load_model_from_string(converted).graph.node}
    assert list(nodes["heads_apart"].output) == ["536", "538", "539", "540"]
    assert sum(nodes["heads"].input[0] in node.input for node in nodes.values()) == 1


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_a_file_of_another_kind_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableModel):
        centerface_to_dynamic.convert(content)
