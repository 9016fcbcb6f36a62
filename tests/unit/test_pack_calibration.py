from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from facedex.runtime.faults import service_error
from facedex.vision import packs
from facedex.vision.vision_errors import PackMissing, Uncalibrated
from facedex_models.manifests import manifest
from tests.unit import tiny_networks

OWN = """
data = "our own photos"
impostor_pairs = 123456
cosine = [0.1, 0.2, 0.4]
false_match_rate = [0.1, 0.01, 0.0001]
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a pack without a calibration, with networks made here."""
    (tmp_path / "pack.toml").write_text(manifest("buffalo_l").text, encoding="utf-8")
    tiny_networks.scrfd(tmp_path / "detector.onnx")
    tiny_networks.embedder(tmp_path / "embedder.onnx", 512)
    return tmp_path


@pytest.mark.parametrize("name", ["antelopev2", "buffalo_l", "buffalo_sc", "opencv-zoo"])
def test_packs_without_a_measured_calibration_contain_none(name: str) -> None:
    assert "[calibration]" not in manifest(name).text


def test_a_pack_without_a_calibration_says_how_to_measure_one(directory: Path) -> None:
    pack = packs.load(directory)
    with pytest.raises(Uncalibrated) as raised:
        _ = pack.calibration
    assert str(raised.value) == (
        "The model pack buffalo_l has no calibration, so a Similarity would have no meaning; create"
        " one with `facedex models calibrate FOLDER --pack buffalo_l`, where FOLDER has photos of "
        "about 450 different people, and restart Facedex."
    )
    answer = service_error(raised.value)
    assert type(answer).__name__ == "InternalServerError"
    assert "facedex models calibrate FOLDER --pack buffalo_l" in str(answer)


def test_the_users_own_calibration_is_used(directory: Path) -> None:
    (directory / "calibration.toml").write_text(OWN, encoding="utf-8")
    calibration = packs.load(directory).calibration
    assert calibration.similarity(0.4) == pytest.approx(99)
    assert calibration.cosine(99) == pytest.approx(0.4)


def test_the_users_own_calibration_comes_before_the_packs(
    dlib_directory: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(dlib_directory, tmp_path / "dlib"))
    (copy / "calibration.toml").write_text(OWN, encoding="utf-8")
    assert packs.load(copy).calibration.cosine(99) == pytest.approx(0.4)
    assert packs.load(dlib_directory).calibration.cosine(99) > 0.9


@pytest.mark.parametrize(
    ("before", "after"),
    [("cosine = [", "sine = ["), ("[0.1, 0.2, 0.4]", "[0.4, 0.2]"), ("= 123456", "="),
     ("[0.1, 0.2, 0.4]", "0.5")],
)  # fmt: skip
def test_a_calibration_that_cannot_be_used_is_named(
    directory: Path, before: str, after: str
) -> None:
    (directory / "calibration.toml").write_text(OWN.replace(before, after), encoding="utf-8")
    with pytest.raises(PackMissing, match=r"The calibration .*calibration\.toml cannot be used"):
        packs.load(directory)
