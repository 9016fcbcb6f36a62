"""The log of a failed request: one line for foreseen errors, a traceback for others."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facedex import settings
from facedex.runtime import model_packs
from facedex_functions.detect_faces.handler import lambda_handler
from facedex_local.http.gateway import Context

EVENT = Path(__file__).parents[2] / "events" / "detect_faces.json"


@pytest.fixture(autouse=True)
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Set the settings of a function whose models directory is empty."""
    values = {"DATABASE_URL": "postgresql://127.0.0.1:9/none", "AUTH": "none", "PACK": "dlib"}
    for name, value in (values | {"MODELS": str(tmp_path)}).items():
        monkeypatch.setenv(f"FACEDEX_{name}", value)
    made = (settings.settings, model_packs._shelf)
    for each in made:
        each.cache_clear()
    yield tmp_path
    for each in made:
        each.cache_clear()


def detect(**changes: Any) -> tuple[int, dict[str, Any]]:
    photo = io.BytesIO()
    Image.new("RGB", (100, 100), "gray").save(photo, "JPEG")
    body = json.dumps({"Image": {"Bytes": base64.b64encode(photo.getvalue()).decode()}})
    event = json.loads(EVENT.read_text("utf-8")) | {"body": body} | changes
    answer = lambda_handler(event, Context("detect_faces", 29, 1769, "request"))
    return answer["statusCode"], json.loads(answer["body"])


def test_missing_pack_is_logged_as_one_line_without_paths(
    no_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    status, document = detect()
    assert (status, document["__type"]) == (500, "InternalServerError")
    (record,) = caplog.records
    sentence = "The model pack dlib is not installed or incomplete; fetch it with"
    assert record.getMessage().startswith(
        f"A request failed: InternalServerError: {sentence} `facedex models pull dlib`."
    )
    assert record.exc_info is None
    assert str(no_models) not in caplog.text


def test_unforeseen_error_is_logged_with_its_traceback_and_hidden_from_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, document = detect(headers=["not a mapping"])
    assert (status, document["Message"]) == (
        500,
        "Internal server error. The request can be retried.",
    )
    (record,) = caplog.records
    assert record.getMessage() == "A request failed."
    assert record.exc_info
    assert record.exc_info[0] is AttributeError


def test_error_of_the_caller_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    status, document = detect(body="{}")
    assert (status, document["__type"]) == (400, "ValidationException")
    assert caplog.records == []
