from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facedex.vision import alignment, packs
from facedex.vision.embedding import KINDS, SingleEmbedder
from facedex.vision.images import Image
from facedex.vision.sessions import Network
from facedex_models.manifests import manifest
from tests.unit import tiny_networks
from tests.unit.tiny_networks import BOX

Chips = NDArray[np.uint8]


def draw(count: int) -> Chips:
    return np.random.default_rng(5).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)


def expected(chips: Chips, matrix: tiny_networks.Floats, mean: float, scale: float) -> Chips:
    """Return the tiny network's vectors of RGB chips, computed independently."""
    squares = chips.astype(np.float64).reshape(-1, 8, 14, 8, 14, 3).mean(axis=(2, 4))
    flat = (squares.transpose(0, 3, 1, 2).reshape(len(chips), -1) - mean) / scale
    vectors = np.tanh(flat @ matrix)
    unit: Chips = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def embed(kind: str, path: Path, dimension: int, chips: Chips) -> tiny_networks.Floats:
    """Return the vectors of upright chips, one view of each face."""
    embedder = SingleEmbedder(
        Network(path, threads=1),
        KINDS[kind],
        dimension=dimension,
        template=np.zeros((5, 2), np.float32),
        chip_size=112,
    )
    return embedder.embed((chips[:, None],))


@pytest.mark.parametrize("count", [1, 8, 19])
def test_arcface_takes_rgb_between_minus_one_and_one(tmp_path: Path, count: int) -> None:
    path, matrix = tiny_networks.embedder(tmp_path / "net.onnx", 512)
    chips = draw(count)
    vectors = embed("arcface", path, 512, chips)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, expected(chips, matrix, 127.5, 127.5), atol=1e-5)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_sface_takes_one_chip_at_a_time_as_rgb_up_to_255(tmp_path: Path, count: int) -> None:
    path, matrix = tiny_networks.embedder(tmp_path / "net.onnx", 128, batch=1)
    chips = draw(count) // 32
    vectors = embed("sface", path, 128, chips)
    assert np.allclose(vectors, expected(chips, matrix, 0, 1), atol=1e-4)


def test_no_chips_have_no_vectors(tmp_path: Path) -> None:
    path, _ = tiny_networks.embedder(tmp_path / "net.onnx", 512)
    assert embed("arcface", path, 512, draw(0)).shape == (0, 512)


@pytest.mark.parametrize("name", ["buffalo_sc", "buffalo_l", "antelopev2"])
def test_a_pack_of_insightface_finds_and_embeds_faces(tmp_path: Path, name: str) -> None:
    (tmp_path / "pack.toml").write_text(manifest(name).text, encoding="utf-8")
    tiny_networks.scrfd(tmp_path / "detector.onnx")
    tiny_networks.embedder(tmp_path / "embedder.onnx", 512)
    pack = packs.load(tmp_path)
    pixels = np.full((384, 480, 3), 40, dtype=np.uint8)
    left, top, right, bottom = tiny_networks.paint(pixels, 32, 4, 6)
    image = Image(pixels, width=960, height=768)  # as if it had been reduced by half
    (face,) = pack.find(image)
    assert face.box == pytest.approx(
        (left / 480, top / 384, (right - left) / 480, (bottom - top) / 384)
    )
    assert face.size == (2 * 32 * (BOX[0] + BOX[2]), 2 * 32 * (BOX[1] + BOX[3]))
    assert face.confidence == pytest.approx(100 * 127.5 / 128)
    vectors = pack.embed(image, [face, face])
    assert vectors.shape == (2, pack.dimension) == (2, 512)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1)
    assert pack.model_version == f"{manifest(name).number}.1"


def test_only_the_largest_faces_are_analysed_in_detail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pack.toml").write_text(manifest("buffalo_l").text, encoding="utf-8")
    tiny_networks.scrfd(tmp_path / "detector.onnx")
    tiny_networks.embedder(tmp_path / "embedder.onnx", 512)
    pixels = np.zeros((480, 480, 3), dtype=np.uint8)
    for row in range(28, 58, 6):
        for column in range(4, 58, 6):
            tiny_networks.paint(pixels, 8, row, column)
    tiny_networks.paint(pixels, 32, 3, 4)
    pack = packs.load(tmp_path)
    cut: list[int] = []
    align = alignment.align

    def listen(*given: Any) -> Chips:
        cut.append(len(given[1]))
        return align(*given)

    monkeypatch.setattr(alignment, "align", listen)
    image = Image(pixels, width=480, height=480)
    found = pack.find(image, limit=1000)
    assert len(found) == 46
    assert max(cut) == len(found)
    for most in (1, 40):
        cut.clear()
        chosen = pack.find(image, limit=most)
        assert max(cut) == most
        assert [face.box for face in chosen] == [face.box for face in found[:most]]
    assert found[0].size[0] == 4 * found[1].size[0]
