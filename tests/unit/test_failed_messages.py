"""A message that a worker cannot work off is given back, and the log says why."""

from __future__ import annotations

import importlib
import json
import logging
from pathlib import Path

import pytest

from facedex_local.http.gateway import Context

EVENTS = Path(__file__).parents[2] / "events"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("run_stream_processor", "facedex_functions.run_stream_processor.handler"),
        ("search_video_segment", "video"),
    ],
)
def test_why_a_message_failed_is_in_the_log(
    function: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = importlib.import_module(f"facedex_functions.{function}.handler").lambda_handler
    event = json.loads((EVENTS / f"{function}.json").read_text("utf-8"))
    event["Records"][0]["body"] = "[]"
    logger = logging.getLogger(name)
    logger.addHandler(caplog.handler)
    try:
        answer = handler(event, Context(function, 300, 1769, "request"))
    finally:
        logger.removeHandler(caplog.handler)
    failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
    assert failed == [event["Records"][0]["messageId"]]
    # Once, or twice where the log goes on to the one of the whole process.
    said = {str(record.exc_info and record.exc_info[0]) for record in caplog.records}
    assert said == {"<class 'TypeError'>"}
