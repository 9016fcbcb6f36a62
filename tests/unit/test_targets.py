"""Requests that name Rekognition in any spelling, or no known service, never reach moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from facedex.settings import settings
from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi
from tests.unit.asking import ask, environ


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set what the function for unknown operations needs."""
    monkeypatch.setenv("FACEDEX_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    monkeypatch.setenv("FACEDEX_MODELS", "none")
    monkeypatch.setenv("FACEDEX_AUTH", "none")
    settings.cache_clear()
    yield
    settings.cache_clear()


def signed(service: str) -> str:
    scope = f"k/20260101/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize(
    "target",
    [
        "rekognitionservice.listcollections",
        "REKOGNITIONSERVICE.ListCollections",
        "RekognitionService.listcollections",
        "RekognitionServiceV2.ListCollections",
        "Rekognition.ListCollections",
        " rekognitionservice.ListCollections",
        "RekognitionService",
        "NoSuchService.ListCollections",
        "ListCollections",
        "",
    ],
)
@pytest.mark.parametrize("service", [None, "rekognition", "REKOGNITION", "execute-api", "s3"])
def test_an_unknown_target_is_an_unknown_operation(service: str | None, target: str) -> None:
    headers = {} if service is None else {"authorization": signed(service)}
    request = environ("POST", "/", b"{}", x_amz_target=target, **headers)
    status, _, body = ask(request)
    assert status == "400 Bad Request"
    assert json.loads(body)["__type"] == "UnknownOperationException"


@pytest.mark.parametrize("service", ["sqs", "dynamodb", "kinesis"])
def test_a_target_of_rekognition_is_ours_whichever_service_it_is_signed_for(service: str) -> None:
    target = "rekognitionservice.ListCollections"
    request = environ("POST", "/", b"{}", x_amz_target=target, authorization=signed(service))
    assert json.loads(ask(request)[2])["__type"] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("service", "target"),
    [
        ("sqs", "AmazonSQS.ListQueues"),
        ("dynamodb", "DynamoDB_20120810.ListTables"),
        ("kinesis", "Kinesis_20131202.ListStreams"),
        (None, "AWSCognitoIdentityService.GetId"),
    ],
)
def test_targets_of_other_services_reach_moto(service: str | None, target: str) -> None:
    headers = {} if service is None else {"authorization": signed(service)}
    assert ask(environ("POST", "/", b"{}", x_amz_target=target, **headers))[2] == b"elsewhere"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    listener = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=2)
    listener.start()
    yield listener.url
    listener.stop()


@pytest.mark.parametrize(
    "authorization",
    [
        signed("rekognition"),
        signed("moto_api"),
        signed("motoapi"),
        signed("motoapi.amazonaws.com"),
        "AWS4-HMAC-SHA256 k/1/us-east-1/rekognition/aws4_request, Credential=k/1/r/s3/aws4_request",
        signed("\x9b2Jnosuchservice"),
    ],
)
def test_moto_answers_for_no_withheld_or_unknown_service(
    url: str, authorization: str, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = {
        "Authorization": authorization,
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "Any.ListCollections",
    }
    answer = urllib3.request("POST", url, body=b"{}", headers=headers)
    assert answer.status in (400, 404)
    assert answer.json()["__type"] == "UnknownOperationException"
    written = capfd.readouterr()
    assert "nosuchservice" not in written.out + written.err


@pytest.mark.parametrize(
    "path",
    [
        "/moto-api",
        "/%6Doto-api/reset",
        "/%6d%6f%74%6f%2dapi/data.json",
        "//moto-api/reset",
        "/%2Fmoto-api/reset",
        "/moto-api%2Freset",
        "/./moto-api/reset",
        "/x/../moto-api/reset",
        "/moto%252dapi/reset",
        "/MOTO-API/reset",
        "/moto_api_us-east-1/moto-api/reset",
        "/motoapi_x/moto-api/reset",
    ],
)
def test_the_administration_of_moto_is_off_in_every_spelling(url: str, path: str) -> None:
    kept: Any = urllib3.request("PUT", f"{url}/kept").status
    assert kept in (200, 409)
    pool = urllib3.HTTPConnectionPool(url.removeprefix("http://"), block=False)
    for method in ("GET", "POST"):
        connection = pool.urlopen(method, path, preload_content=True, redirect=False)
        assert b"Moto" not in connection.data
        assert b"<html" not in connection.data.lower()
    assert urllib3.request("HEAD", f"{url}/kept").status == 200
