"""What a client gets from the listener, and in which pieces."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from facedex_local.http.listener import Listener

ANSWERS: dict[str, tuple[str, list[tuple[str, str]], list[bytes]]] = {
    "/whole": ("200 OK", [("Content-Length", "5")], [b"hello"]),
    "/pieces": ("200 OK", [], [b"hel", b"lo"]),
    "/nothing": ("200 OK", [("Content-Length", "0")], []),
    "/no-pieces": ("200 OK", [], []),
    "/no-content": ("204 No Content", [], []),
}


def application(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    status, headers, body = ANSWERS[environ["PATH_INFO"]]
    start(status, headers)
    return body


@pytest.fixture
def client() -> Iterator[socket.socket]:
    listener = Listener(application, host="127.0.0.1", port=0, threads=2)
    listener.start()
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as connected:
        yield connected
    listener.stop()


def ask(client: socket.socket, path: str) -> None:
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def read(client: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        piece = client.recv(65536)
        assert piece, got
        got += piece
    return got


def test_headers_and_body_come_together(client: socket.socket) -> None:
    for _ in range(20):
        ask(client, "/whole")
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/pieces", b"\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
        ("/no-pieces", b"\r\n\r\n0\r\n\r\n"),
        ("/nothing", b"\r\n\r\n"),
        ("/no-content", b"\r\n\r\n"),
    ],
)
def test_an_answer_ends_where_the_next_one_begins(
    client: socket.socket, path: str, end: bytes
) -> None:
    for _ in range(3):
        ask(client, path)
        assert read(client, end).startswith(f"HTTP/1.1 {ANSWERS[path][0]}\r\n".encode())
    ask(client, "/whole")
    assert read(client, b"hello").startswith(b"HTTP/1.1 200 OK\r\n")
