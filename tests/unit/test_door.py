"""Web pages of other sites cannot change data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from facedex_local.aws.moto_app import Moto
from facedex_local.http.environs import HEADERS, LISTENING
from tests.unit.asking import ask, environ

_TARGET = "RekognitionService.NoSuchOperation"
_S3 = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, Signature=0"


def denied(request: dict[str, Any], **options: Any) -> str:
    status, headers, body = ask(request, **options)
    assert status == "403 Forbidden"
    assert not any(name.lower().startswith("access-control") for name in headers)
    assert headers["X-Content-Type-Options"] == "nosniff"
    error = json.loads(body)
    assert error["__type"] == "AccessDeniedException"
    return str(error["Message"])


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost", "http://localhost:9000.x"]
)
@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/", {"x_amz_target": _TARGET}),
        ("POST", "/v1/collections", {"content_type": "text/plain"}),
        ("OPTIONS", "/v1/collections", {}),
        ("OPTIONS", "/", {}),
        ("OPTIONS", "/", {"x_amz_target": _TARGET}),
        ("GET", "/health", {}),
        ("GET", "/docs", {}),
        ("POST", "/uploads", {"content_type": "multipart/form-data; boundary=b"}),
        ("PUT", "/uploads/friends/ann.jpg", {}),
        ("GET", "/uploads/friends/ann.jpg", {"authorization": _S3}),
        ("OPTIONS", "/uploads/friends/ann.jpg", {"access_control_request_method": "PUT"}),
        ("POST", "/", {"content_type": "application/x-www-form-urlencoded"}),
        ("GET", "/", {"upgrade": "websocket", "connection": "Upgrade"}),
    ],
)
def test_a_page_of_another_site_is_refused(
    method: str, path: str, headers: dict[str, Any], origin: str
) -> None:
    request = environ(method, path, host="localhost:9000", origin=origin, **headers)
    assert repr(origin) in denied(request)


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:9000", "[::1]:9000", "LOCALHOST"])
def test_our_own_page_may_call(host: str) -> None:
    request = environ("GET", "/v1/nothing", host=host, origin=f"http://{host.lower()}")
    assert ask(request)[0] == "404 Not Found"


@pytest.mark.parametrize("path", ["/", "/v1/collections"])
def test_options_lists_the_methods_and_allows_no_other_origin(path: str) -> None:
    status, headers, _ = ask(environ("OPTIONS", path, host="localhost:9000"))
    assert status == "405 Method Not Allowed"
    assert "POST" in headers["Allow"]
    assert not any(name.lower().startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    "path", ["/v1/collections", "/health", "/docs", "/openapi.json", "/uploads/friends/ann.jpg"]
)
@pytest.mark.parametrize(
    "host", ["evil.example:9000", "localhost.evil.example", "[bad", "10.0.0.1"]
)
def test_a_name_that_was_made_to_point_to_loopback_is_refused(path: str, host: str) -> None:
    assert "--host" in denied(environ("GET", path, host=host, origin=f"http://{host}"))


@pytest.mark.parametrize(
    "host",
    ["localhost:9000", "photos.localhost:9000", "photos.s3.localhost:9000", "127.0.0.1:9000"],
)
def test_names_of_buckets_below_localhost_are_answered(host: str) -> None:
    assert ask(environ("GET", "/photo.jpg", host=host))[2] == b"elsewhere"


def test_a_server_that_listens_on_the_network_accepts_any_host_name() -> None:
    request = environ("GET", "/health", host="faces.example") | {LISTENING: "0.0.0.0"}
    assert ask(request)[0] == "200 OK"


@pytest.mark.parametrize("path", ["/moto-api/", "/moto-api/reset", "/moto-api", "//moto-api/reset"])
def test_motos_own_api_is_unreachable(path: str) -> None:
    answered: list[str] = []
    request = environ("POST", path) | {HEADERS: []}
    (body,) = Moto()(request, lambda status, _headers: answered.append(status))
    assert answered == ["404 Not Found"]
    assert b"not available" in body


def test_the_log_names_operations_and_contains_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask(environ("PUT", "/", x_amz_target="RekognitionService.\x1b[2Jforged"), log=True)
    ask(environ("POST", "/v1/\x1b[2J\x9b\r\n12:00:00 GET /forged"), log=True)
    ask(environ("POST", "/", body=b"-" * 16_000_000, x_amz_target=_TARGET), log=True)
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 3
    assert text.replace("\n", "").isprintable()
    assert "/v1/\\x1b[2J\\x9b\\x0d\\x0a12:00:00" in text
    assert " POST / - 413 " in text
