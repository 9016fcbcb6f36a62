"""The access log has a line for each request, except those that consumers repeat continuously."""

from __future__ import annotations

import pytest

from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer
from facedex_local.http.server import Server
from tests.unit.asking import answer_of, environ

SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/kinesis/aws4_request, x=y"


def ask(target: str, status: int) -> None:
    async def elsewhere(exchange: Exchange) -> None:
        await exchange.answer(Answer(status, [], b""))

    server = Server(elsewhere=elsewhere, health=lambda: {"status": "ok"}, log=True)
    request = environ(
        "POST", authorization=SIGNED, x_amz_target=f"Kinesis_20131202.{target}", host="127.0.0.1"
    )
    assert answer_of(server, request).status == status


@pytest.mark.parametrize(
    ("target", "status", "lines"),
    [
        ("GetRecords", 200, 0),
        ("GetRecords", 400, 1),
        ("GetShardIterator", 200, 1),
    ],
)
def test_a_successful_poll_is_not_logged(
    target: str, status: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(target, status)
    assert len(capsys.readouterr().err.splitlines()) == lines
