"""A process passes requests on to another, which believes it about their clients, and no other."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from facedex_local.http.environs import LISTENING
from facedex_local.http.exchange import Exchange
from facedex_local.http.forwarding import Forwarded, Forwarder
from facedex_local.http.gateway import Answer
from facedex_local.http.listener import Listener
from tests.unit.asking import answer_of, environ

TOKEN = "token"
WORD = "X-Facedex-Forwarded"


async def describe(exchange: Exchange) -> None:
    """Answer with what is known of the request."""
    environ = exchange.environ
    if environ["PATH_INFO"] == "/refused":
        await exchange.answer(Answer(413, [], b"too long"))
        return
    if environ["PATH_INFO"] == "/cut":
        await exchange.start(200, [("Content-Length", "100")])
        await exchange.send(b"half")
        raise ConnectionError
    body = await exchange.read(1 << 20)
    names = ("REQUEST_METHOD", "REQUEST_URI", "HTTP_X_AMZ_META_A_B", "REMOTE_ADDR", LISTENING)
    said = {name: environ.get(name) for name in names} | {"size": len(body or b"")}
    await exchange.answer(Answer(201, [("X-Kind", "plain")], json.dumps(said).encode()))


@pytest.fixture
def first() -> Iterator[Listener]:
    listener = Listener(Forwarded(describe, TOKEN), threads=2, host="127.0.0.1", grace=1)
    listener.start()
    yield listener
    listener.stop()


@pytest.fixture
def second(first: Listener) -> Iterator[Listener]:
    listener = Listener(Forwarder(first.url, TOKEN), threads=2, host="127.0.0.1", grace=1)
    listener.start()
    yield listener
    listener.stop()


def ask(listener: Listener, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=30)
    try:
        connection.request(method, path, body, {"X-Amz-Meta-A_B": "both"})  # type: ignore[arg-type]
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("body", [b"", b"x" * 500_000, [b"x" * 1000] * 500])
def test_requests_arrive_as_they_were_sent(second: Listener, body: object) -> None:
    status, said = ask(second, "PUT", "/a%2Fb?c=%20d", body)
    assert status == 201
    assert json.loads(said) == {
        "REQUEST_METHOD": "PUT",
        "REQUEST_URI": "/a%2Fb?c=%20d",
        "HTTP_X_AMZ_META_A_B": "both",
        "REMOTE_ADDR": "127.0.0.1",
        LISTENING: "127.0.0.1",
        "size": 500_000 if body else 0,
    }


def test_a_head_request_has_the_length_and_no_body(second: Listener) -> None:
    assert ask(second, "HEAD", "/") == (201, b"")


def test_a_refusal_comes_before_the_body_is_over(second: Listener) -> None:
    with socket.create_connection(("127.0.0.1", second.port), timeout=30) as client:
        client.sendall(b"PUT /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nhalf")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_truncated_response_is_truncated_for_the_client_too(second: Listener) -> None:
    with pytest.raises(http.client.IncompleteRead):
        ask(second, "GET", "/cut")


def test_requests_are_unavailable_without_the_first_process(
    first: Listener, second: Listener
) -> None:
    first.stop()
    status, said = ask(second, "GET", "/")
    assert status == 503
    assert b"<Code>ServiceUnavailable</Code>" in said  # as S3 writes errors


@pytest.mark.parametrize(("token", "client"), [(TOKEN, "10.0.0.7"), ("guess", "127.0.0.1")])
def test_only_a_request_with_the_token_may_set_the_client_address(token: str, client: str) -> None:
    word = f"{token} 0.0.0.0 10.0.0.7"
    request = environ("GET", "/", x_facedex_forwarded=word)
    said = json.loads(answer_of(Forwarded(describe, TOKEN), request).body)
    assert said["REMOTE_ADDR"] == client
