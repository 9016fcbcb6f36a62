"""Bodies are read within bounds, whatever their sender says of them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from facedex_local.http.bodies import Chunks, MalformedBody
from tests.unit.asking import ask, environ

_TARGET: Any = {"x_amz_target": "RekognitionService.NoSuchOperation"}


@pytest.mark.parametrize("length", ["-1", "-0", "+5", "1_0", "0x10", "five", "²", "9" * 5000])
@pytest.mark.parametrize("headers", [_TARGET, {}])
def test_a_length_that_is_no_decimal_number_is_refused(
    length: str, headers: dict[str, Any]
) -> None:
    request = environ("POST", "/", b"{}", **headers) | {"CONTENT_LENGTH": length}
    status, _, body = ask(request)
    assert status == "400 Bad Request"
    assert json.loads(body)["__type"] == "SerializationException"
    assert request["wsgi.input"].read() == b"{}"


def test_a_chunk_over_the_limit_is_refused_before_any_of_it_is_read() -> None:
    source = io.BytesIO(b"40000000\r\nrest")
    request = environ("POST", "/", **_TARGET)
    status, _, body = ask(request | {"wsgi.input": Chunks(source), "wsgi.input_terminated": True})
    assert status.startswith("413 ")
    assert json.loads(body)["__type"] == "RequestEntityTooLargeException"
    assert source.read() == b"rest"


def test_chunks_are_joined_and_what_follows_is_left() -> None:
    large = b"x" * 100_000
    coded = b"5;name=value\r\nhello\r\n%x\r\n%b\r\n0\r\nTrailer: 1\r\n\r\nnext" % (100_000, large)
    source = io.BytesIO(coded)
    chunks = Chunks(source)
    assert chunks.read(3) == b"hel"
    assert chunks.read() == b"lo" + large
    assert chunks.finish()
    assert source.read() == b"next"
    assert Chunks(io.BytesIO(coded)).read_within(100_005) == b"hello" + large
    assert Chunks(io.BytesIO(coded)).read_within(100_004) is None


@pytest.mark.parametrize(
    "coded", [b"", b"-5\r\nhello", b"five\r\n", b"5\r\nhel", b"3\r\nhello\r\n", b"1" * 20_000]
)
def test_broken_chunks_are_refused_and_the_connection_is_not_used_again(coded: bytes) -> None:
    chunks = Chunks(io.BytesIO(coded))
    with pytest.raises(MalformedBody):
        chunks.read()
    assert not chunks.finish()
