"""Topics to which jobs may publish, and the time limit for unreachable topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facedex.api.errors import InvalidParameterException
from facedex.aws import clients
from facedex.aws.notifications import require_topic
from facedex.settings import Settings, settings
from facedex_functions.start_face_detection.handler import lambda_handler as start_face_detection
from facedex_functions.start_face_search.handler import lambda_handler as start_face_search

EVENTS = Path(__file__).parents[2] / "events"
DONE, OTHER = (f"arn:aws:sns:eu-central-1:111122223333:{name}" for name in ("done", "other"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "DATABASE_PATIENCE": "1",
        "MODELS": "/opt/models",
        "AUTH": "none",
        "AUDIT": "off",  # its rows need a database
        "VIDEO_QUEUE": "http://127.0.0.1:1/queue",
    }.items():
        monkeypatch.setenv(f"FACEDEX_{name}", value)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize("allowed", ["none", DONE])
@pytest.mark.parametrize(
    ("start", "name"),
    [(start_face_search, "start_face_search"), (start_face_detection, "start_face_detection")],
)
def test_a_topic_that_the_setting_does_not_allow_is_refused_at_once(
    start: Any, name: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEDEX_TOPICS", allowed)
    event = json.loads((EVENTS / f"{name}.json").read_text())
    body = json.loads(event["body"])
    body["NotificationChannel"] = {
        "SNSTopicArn": OTHER,
        "RoleArn": "arn:aws:iam::111122223333:role/done",
    }
    answer = start(event | {"body": json.dumps(body)}, None)
    told = json.loads(answer["body"])
    assert (answer["statusCode"], told["__type"]) == (400, "InvalidParameterException")
    assert f"This service may not publish to {OTHER}" in told["Message"]


@pytest.mark.parametrize(
    "topic",
    [
        "arn:aws:sns::111122223333:done",
        "arn:aws:sns:eu-central-1/x:111122223333:done",
        "arn:aws:sns:eu:central:1:111122223333:done",
        "arn:aws:sns:eu-central-1:11112222333x:done",
        "arn:aws:sns:eu-central-1:111122223333:done:11112222-3333-4444-5555-666677778888",
        "arn:aws:sns:eu-central-1:111122223333:all done",
    ],
)
def test_an_arn_that_no_topic_can_have_is_refused(topic: str) -> None:
    with pytest.raises(InvalidParameterException, match="is not the ARN of a topic"):
        require_topic(topic)


def test_topics_are_any_none_or_those_that_are_named() -> None:
    named = {"FACEDEX_DATABASE_URL": "x", "FACEDEX_MODELS": "x", "FACEDEX_AUTH": "none"}

    def read(**more: str) -> frozenset[str] | None:
        return Settings.from_environment({**named, **more}).topics

    assert read() is None
    assert read(FACEDEX_TOPICS="none") == frozenset()
    assert read(FACEDEX_TOPICS=f"{DONE},{OTHER}") == frozenset({DONE, OTHER})


def test_calls_to_aws_time_out_before_the_function_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    clients.queues.cache_clear()
    for client in (clients.queues(), clients.topics("eu-central-1")):
        config: Any = client.meta.config
        attempts = config.retries["total_max_attempts"]
        assert attempts * (config.connect_timeout + config.read_timeout) < 29
    clients.queues.cache_clear()
