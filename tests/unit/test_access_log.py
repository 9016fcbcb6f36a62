"""The log has a line for each request, but not for those that consumers repeat for ever."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from facedex_local.http.server import Server

SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/kinesis/aws4_request, x=y"


def ask(target: str, status: str) -> None:
    def elsewhere(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start(status, [])
        return []

    server = Server(elsewhere=elsewhere, health=lambda: {"status": "ok"}, log=True)
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "REQUEST_URI": "/",
        "RAW_URI": "/",
        "HTTP_HOST": "127.0.0.1:9000",
        "HTTP_AUTHORIZATION": SIGNED,
        "HTTP_X_AMZ_TARGET": f"Kinesis_20131202.{target}",
        "CONTENT_LENGTH": "0",
        "wsgi.input": io.BytesIO(),
    }
    assert list(server(environ, lambda *_: None)) == []


@pytest.mark.parametrize(
    ("target", "status", "lines"),
    [
        ("GetRecords", "200 OK", 0),
        ("GetRecords", "400 Bad Request", 1),
        ("GetShardIterator", "200 OK", 1),
    ],
)
def test_a_poll_that_is_answered_is_not_told(
    target: str, status: str, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(target, status)
    assert len(capsys.readouterr().err.splitlines()) == lines
