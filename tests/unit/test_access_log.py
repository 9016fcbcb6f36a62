"""The access log has a line for each request, except those that consumers repeat continuously."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer
from facedex_local.http.server import Server
from tests.unit.asking import answer_of, environ

SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/kinesis/aws4_request, x=y"


FULL = Path("/dev/full")  # every write to it fails as on a full disk


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


@contextmanager
def stderr(file: int) -> Iterator[None]:
    """Let a file descriptor be this process's standard error."""
    before, sys.stderr = sys.stderr, os.fdopen(file, "w")
    try:
        yield
    finally:
        written, sys.stderr = sys.stderr, before
        with suppress(OSError):  # it has a line that cannot be written
            written.close()


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
def test_a_log_on_a_full_disk_fails_no_request() -> None:
    with stderr(os.open(FULL, os.O_WRONLY)):
        ask("GetShardIterator", 200)


def test_a_log_without_a_reader_fails_no_request() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with stderr(writer):
        ask("GetShardIterator", 200)
