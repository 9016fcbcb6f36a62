"""Workers return the messages that they cannot process, and log the reason."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from facedex_local.http.gateway import Context

EVENTS = Path(__file__).parents[2] / "events"


@pytest.mark.parametrize("function", ["run_stream_processor", "search_video_segment"])
def test_failed_message_is_returned_and_logged_once_with_its_traceback(
    function: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = importlib.import_module(f"facedex_functions.{function}.handler").lambda_handler
    event = json.loads((EVENTS / f"{function}.json").read_text("utf-8"))
    event["Records"][0]["body"] = "[]"
    answer = handler(event, Context(function, 300, 1769, "request"))
    failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
    assert failed == [event["Records"][0]["messageId"]]
    (record,) = caplog.records
    assert record.name == f"facedex.functions.{function}.handler"
    assert record.exc_info
    assert record.exc_info[0] is TypeError
