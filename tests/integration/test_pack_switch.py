"""A collection keeps the model pack that it was created with."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as pillow

from facedex_models.manifests import manifest
from tests.unit import tiny_networks

# Runs one function in a separate process, like another deployment with another pack.
_CALL = """
import json, sys
from importlib import import_module
from facedex_local.http.gateway import Context
function, event = sys.argv[1], json.load(sys.stdin)
handler = import_module(f"facedex_functions.{function}.handler").lambda_handler
print(json.dumps(handler(event, Context(function, 30, 1024, "request"))))
"""
_EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture
def models(dlib_directory: Path, tmp_path: Path) -> Path:
    """Return a models directory with the default pack and one with networks made here."""
    (tmp_path / "dlib").symlink_to(dlib_directory)
    other = tmp_path / "buffalo_l"
    other.mkdir()
    (other / "pack.toml").write_text(manifest("buffalo_l").text, encoding="utf-8")
    tiny_networks.scrfd(other / "detector.onnx")
    tiny_networks.embedder(other / "embedder.onnx", 512)
    return tmp_path


def call(
    function: str, pack: str, models: Path, database_url: str, image: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """Run a function with a pack on its sample event; return the status and the body.

    An image replaces the one in S3 that the event names.
    """
    event = json.loads((_EVENTS / f"{function}.json").read_text(encoding="utf-8"))
    if image:
        event["body"] = json.dumps({"Image": {"Bytes": base64.b64encode(image).decode()}})
    run = subprocess.run(
        [sys.executable, "-c", _CALL, function],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
        cwd=_EVENTS.parent,
        env={
            **os.environ,
            "FACEDEX_AUTH": "none",
            "FACEDEX_DATABASE_URL": database_url,
            "FACEDEX_MODELS": str(models),
            "FACEDEX_PACK": pack,
        },
    )
    answer = json.loads(run.stdout.splitlines()[-1])
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.usefixtures("database")
def test_a_collection_is_served_with_its_own_pack_whatever_the_default_is(
    models: Path, database_url: str, portraits: dict[str, bytes]
) -> None:
    dlib = manifest("dlib").model_version
    status, made = call("create_collection", "dlib", models, database_url)
    assert (status, made["FaceModelVersion"]) == (200, dlib)
    for pack in ("dlib", "buffalo_l"):
        status, indexed = call("index_faces", pack, models, database_url, portraits["grace"])
        assert (status, indexed["FaceModelVersion"]) == (200, dlib)
        assert len(indexed["FaceRecords"]) == 1


@pytest.mark.usefixtures("database")
def test_a_pack_without_a_calibration_indexes_but_does_not_search(
    models: Path, database_url: str
) -> None:
    status, made = call("create_collection", "buffalo_l", models, database_url)
    assert (status, made["FaceModelVersion"]) == (200, "4.1")
    picture, png = np.full((320, 320, 3), 100, dtype=np.uint8), io.BytesIO()
    tiny_networks.paint(picture, 32, 4, 4)
    pillow.fromarray(picture).save(png, "PNG")
    status, indexed = call("index_faces", "buffalo_l", models, database_url, png.getvalue())
    assert status == 200, indexed
    assert len(indexed["FaceRecords"]) == 1
    status, refused = call("search_faces", "buffalo_l", models, database_url)
    assert (status, refused["__type"]) == (500, "InternalServerError")
    assert "facedex models calibrate FOLDER --pack buffalo_l" in refused["Message"]
