from __future__ import annotations

import hashlib
import os
from pathlib import Path

import dlib
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from facedex_models import dlib_to_onnx
from facedex_models.dlib_format import AddPrevious, Convolution, Reader, parse
from facedex_models.fetching import fetch_member
from facedex_models.manifests import manifest
from facedex_models.model_errors import UnreadableModel
from tests.unit.hash_seeds import outputs


@pytest.fixture(scope="session")
def published(pytestconfig: pytest.Config) -> Path:
    """Return dlib's own file, cached between test runs, as its archive has 100 MB."""
    assert pytestconfig.cache is not None
    source = manifest("dlib").embedders[0].source
    path = pytestconfig.cache.mkdir("facedex-models") / f"{source.sha256}.dat"
    if not path.exists():
        content = fetch_member(source)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)
    return path


@pytest.fixture(scope="session")
def converted(published: Path) -> bytes:
    return dlib_to_onnx.convert(published.read_bytes())


@pytest.fixture(scope="session")
def session(converted: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])


def textures() -> NDArray[np.uint8]:
    """Return noise, plain black and white, a gradient and stripes: (5, 150, 150, 3)."""
    noise = np.random.default_rng(7).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, 150).astype(np.uint8)
    gradient = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[::-1, None]), -1)
    stripes = np.tile(np.array([0, 255], np.uint8), (150, 75))[..., None].repeat(3, -1)
    return np.stack([noise, np.zeros_like(noise), np.full_like(noise, 255), gradient, stripes])


def assert_same_as_dlib(
    session: onnxruntime.InferenceSession, published: Path, chips: NDArray[np.uint8]
) -> None:
    reference = dlib.face_recognition_model_v1(str(published))
    expected = np.array(
        [reference.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips]
    )
    (found,) = session.run(None, {"chips": chips})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_embeddings_of_photos_are_dlibs_own(
    session: onnxruntime.InferenceSession, published: Path, data: Path
) -> None:
    paths = sorted((data / "pairs").rglob("*.jpg"))[::20]
    assert paths
    chips = [np.asarray(Image.open(path).convert("RGB").resize((150, 150))) for path in paths]
    assert_same_as_dlib(session, published, np.stack(chips))


def test_embeddings_of_textures_are_dlibs_own(
    session: onnxruntime.InferenceSession, published: Path
) -> None:
    assert_same_as_dlib(session, published, textures())


def test_a_chip_has_the_same_embedding_alone_and_in_a_batch(
    session: onnxruntime.InferenceSession,
) -> None:
    chips = textures()
    (together,) = session.run(None, {"chips": chips})
    alone = [session.run(None, {"chips": chip[None]})[0][0] for chip in chips]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_no_chips_give_no_embeddings(session: onnxruntime.InferenceSession) -> None:
    (found,) = session.run(None, {"chips": np.empty((0, 150, 150, 3), np.uint8)})
    assert found.shape == (0, 128)


def test_converting_gives_the_same_bytes_in_every_process(
    published: Path, converted: bytes
) -> None:
    script = (
        "import hashlib, sys, pathlib; from facedex_models import dlib_to_onnx as d;"
        "print(hashlib.sha256(d.convert(pathlib.Path(sys.argv[1]).read_bytes())).hexdigest())"
    )
    assert outputs(script, published) == {hashlib.sha256(converted).hexdigest()}


def test_the_published_network_has_29_convolutions_and_14_blocks(published: Path) -> None:
    entry, layers = parse(published.read_bytes())
    assert (entry.rows, entry.columns) == (150, 150)
    assert entry.mean == pytest.approx((122.782, 117.001, 104.298))
    assert sum(isinstance(layer, Convolution) for layer in layers) == 29
    assert sum(isinstance(layer, AddPrevious) for layer in layers) == 14


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (b"\x01\x00", 0),
        (b"\x01\x05", 5),
        (b"\x81\x05", -5),
        (b"\x02\x00\x01", 256),
        (b"\x08" + b"\xff" * 7 + b"\x7f", 2**63 - 1),
    ],
)
def test_dlib_integers_are_read(stored: bytes, value: int) -> None:
    assert Reader(stored).integer() == value


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (b"\x03\x0a\xd7\xa3\x81\x1c", 0.04),
        (b"\x01\x10\x81\x04", 1.0),
        (b"\x81\x03\x01\x02", -12.0),
        (b"\x01\x00\x01\x0b", 0.0),
    ],
)
def test_dlib_floats_are_read(stored: bytes, value: float) -> None:
    assert Reader(stored).real() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("stored", [b"", b"\x00", b"\x10\x01", b"\x09" + b"\x01" * 9, b"\x02\x01"])
def test_bytes_that_are_not_a_dlib_integer_are_refused(stored: bytes) -> None:
    with pytest.raises(UnreadableModel):
        Reader(stored).integer()


def test_a_file_cut_short_is_refused(published: Path) -> None:
    content = published.read_bytes()
    for length in (0, 3, 300, 19_000, len(content) // 2, len(content) - 1):
        with pytest.raises(UnreadableModel):
            dlib_to_onnx.convert(content[:length])


def test_bytes_after_the_last_layer_are_refused(published: Path) -> None:
    with pytest.raises(UnreadableModel, match="after its last layer"):
        dlib_to_onnx.convert(published.read_bytes() + b"\0")


def test_a_file_of_another_kind_is_refused(converted: bytes) -> None:
    with pytest.raises(UnreadableModel):
        dlib_to_onnx.convert(converted)
