"""Handling of requests that moto cannot answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.s3.models import S3Backend
from moto.sns.models import SNSBackend
from moto.sqs.models import SQSBackend

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    moto = Moto()
    moto.load()
    listener = Listener(Wsgi(moto), host="127.0.0.1", port=0, threads=4)
    listener.start()
    yield listener.url
    listener.stop()


def client(name: str, url: str) -> Any:
    session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
    return session.client(
        name, endpoint_url=url, config=Config(retries={"total_max_attempts": 3, "mode": "standard"})
    )


def fail(monkeypatch: pytest.MonkeyPatch, backend: type, method: str, times: int) -> list[str]:
    """Make a method of moto's fail a number of times; return a list of its calls."""
    right = getattr(backend, method)
    calls: list[str] = []

    def failing(*arguments: Any, **named: Any) -> Any:
        calls.append(method)
        if len(calls) <= times:
            raise RuntimeError("dictionary of secrets changed size during iteration")
        return right(*arguments, **named)

    monkeypatch.setattr(backend, method, failing)
    return calls


@pytest.mark.parametrize(
    ("service", "backend", "method", "operation"),
    [
        ("sqs", SQSBackend, "list_queues", "list_queues"),
        ("s3", S3Backend, "list_buckets", "list_buckets"),
    ],
)
def test_an_sdk_repeats_what_moto_fails_at(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    backend: type,
    method: str,
    operation: str,
) -> None:
    calls = fail(monkeypatch, backend, method, times=2)
    answer = getattr(client(service, url), operation)()
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(calls) == 3


def test_a_permanent_moto_failure_is_reported_with_its_place(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail(monkeypatch, SQSBackend, "list_queues", times=9)
    with caplog.at_level(logging.WARNING, "facedex"), pytest.raises(ClientError) as raised:
        client("sqs", url).list_queues()
    said = raised.value.response
    assert said["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert said["Error"]["Code"] == "InternalFailure"
    assert "moto" in said["Error"]["Message"]
    assert "RuntimeError in " in caplog.text
    # An exception's message may contain names.
    assert "secrets" not in caplog.text + str(said)


def test_an_unknown_service_is_a_client_error(url: str) -> None:
    made = client("sqs", url)

    def sign_for_another(request: Any, **_: Any) -> None:
        request.context.setdefault("signing", {})["signing_name"] = "nosuchservice"

    made.meta.events.register("before-sign.sqs", sign_for_another)
    with pytest.raises(ClientError) as raised:
        made.list_queues()
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("service", "backend", "operation"),
    [
        ("s3", S3Backend, "list_buckets"),
        ("sns", SNSBackend, "list_topics"),
        ("sqs", SQSBackend, "list_queues"),
    ],
)
def test_a_failure_of_moto_has_the_form_of_its_service(
    url: str, monkeypatch: pytest.MonkeyPatch, service: str, backend: type, operation: str
) -> None:
    fail(monkeypatch, backend, operation, times=9)
    with pytest.raises(ClientError) as raised:
        getattr(client(service, url), operation)()
    error = raised.value.response["Error"]
    assert error["Code"] == "InternalFailure"
    assert "see the server's log" in error["Message"]
