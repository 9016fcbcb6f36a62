"""DetectFaces with all attributes where the attributes pack is missing, altered or new."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facedex import settings
from facedex.api.arns import Owner
from facedex.runtime import model_packs
from facedex.runtime.services import Services
from facedex.vision.vision_errors import PackMissing
from facedex.workflows import attributes
from facedex_functions.detect_faces.handler import detect_faces
from tests.integration.streaming import Configure


@pytest.fixture
def models(pack_directory: Path, tmp_path: Path, configure: Configure) -> Iterator[Path]:
    """Return the models directory of a service that has only the default pack."""
    (tmp_path / pack_directory.name).symlink_to(pack_directory)
    made: tuple[Any, ...] = (model_packs._shelf, model_packs._attributes, attributes.warn_once)
    for each in made:
        each.cache_clear()
    configure(DATABASE_URL="postgresql://nowhere", AUTH="none", MODELS=tmp_path)
    yield tmp_path
    for each in (*made, settings.settings):
        each.cache_clear()


def detect(photo: bytes) -> dict[str, Any]:
    request = {"Image": {"Bytes": photo}, "Attributes": ["ALL"]}
    (face,) = detect_faces(request, Services(Owner("123456789012", "us-east-1")))["FaceDetails"]
    return dict(face)


def test_faces_have_the_default_attributes_and_the_log_says_why_once(
    models: Path, portraits: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        face = detect(portraits["eileen"])
        assert set(face) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
        assert len(face["Landmarks"]) == 5
    assert caplog.text.count("facedex models pull attributes") == 1


def test_a_pack_that_is_pulled_later_is_used_at_once(
    models: Path, attributes_directory: Path, portraits: dict[str, bytes]
) -> None:
    assert "Smile" not in detect(portraits["eileen"])
    shutil.copytree(attributes_directory, models / "attributes")
    assert detect(portraits["eileen"])["Smile"]["Value"] is True


def test_an_altered_network_is_an_error(
    models: Path, attributes_directory: Path, portraits: dict[str, bytes]
) -> None:
    pack = shutil.copytree(attributes_directory, models / "attributes")
    with (pack / "age.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(PackMissing, match=r"age\.onnx of the model pack attributes was altered"):
        detect(portraits["eileen"])
