"""A deployment counts the requests that it refuses, without saying who sent them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from facedex.settings import settings
from facedex_functions.front_door.handler import lambda_handler

_HEADERS = {
    "X-Amz-Target": "RekognitionService.ListCollections",
    "Content-Type": "application/x-amz-json-1.1",
}


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the settings of this process during a test."""

    def configure(**environment: str) -> None:
        monkeypatch.setenv("FACEDEX_DATABASE_URL", "postgresql://127.0.0.1:1/none")
        monkeypatch.setenv("FACEDEX_MODELS", "/none")
        monkeypatch.setenv("FACEDEX_AUTH", "iam")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    yield configure
    settings.cache_clear()


def _ask(target: str = "ListCollections", arn: str = "", body: str = "{}") -> str:
    answer = lambda_handler(
        {
            "httpMethod": "POST",
            "path": "/",
            "resource": "/",
            "headers": {**_HEADERS, "X-Amz-Target": f"RekognitionService.{target}"},
            "body": body,
            "requestContext": {"identity": {"userArn": arn}} if arn else {},
        },
        None,
    )
    return str(json.loads(answer["body"])["__type"])


def test_a_deployment_counts_an_unsigned_request(
    configure: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(FACEDEX_DEPLOYMENT="facedex-prod")
    assert _ask() == "MissingAuthenticationTokenException"
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    (described,) = record.pop("_aws")["CloudWatchMetrics"]
    assert described["Namespace"] == "Facedex"
    assert described["Dimensions"] == [["Deployment"]]
    assert [each["Name"] for each in described["Metrics"]] == ["RequestsRefused"]
    # Nothing else: no key, no address, no name.
    assert record == {
        "Deployment": "facedex-prod",
        "RequestsRefused": [1.0],
        "error": "MissingAuthenticationTokenException",
    }


def test_other_errors_of_callers_are_no_refusals(
    configure: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(FACEDEX_DEPLOYMENT="facedex-prod")
    arn = "arn:aws:iam::123456789012:user/ann"
    assert _ask("Nothing", arn) == "UnknownOperationException"
    assert _ask("CreateCollection", arn, "no JSON") == "SerializationException"
    assert capsys.readouterr().out == ""


def test_on_one_machine_nothing_is_written(
    configure: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    assert _ask() == "MissingAuthenticationTokenException"
    assert capsys.readouterr().out == ""
