"""Requests that two servers could split differently are refused, and the connection is closed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer
from facedex_local.http.listener import Listener

Arrived = list[tuple[str, str, str, bytes]]

POST = b"POST /one HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /one HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
# Follows every refused request on its connection, and must never be answered.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

REFUSED = {
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
    "two lengths in one header": POST + b"Content-Length: 4, 5\r\n\r\nbody",
    "a length and a coding": POST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding and a length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "a signed length": POST + b"Content-Length: +4\r\n\r\nbody",
    "a hexadecimal length": POST + b"Content-Length: 0x4\r\n\r\nbody",
    "an empty length": POST + b"Content-Length: \r\n\r\n",
    "a length in another script": POST + b"Content-Length: \xd9\xa4\r\n\r\nbody",
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two headers of codings": POST
    + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "the coding identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "a quoted coding": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a coding after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "LF at the end of lines": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "LF at the end of a line": GET + b"X: y\nZ: z\r\n\r\n",
    "LF at the end of the head": GET + b"X: y\r\n\n",
    "CR at the end of a line": GET + b"X: y\rZ: z\r\n\r\n",
    "two CR at the end of a line": GET + b"X: y\r\r\n\r\n",
    "a folded line": GET + b"X: y\r\n z\r\n\r\n",
    "a folded coding": POST + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n",
    "a space before a name": POST + b" Content-Length: 4\r\n\r\nbody",
    "a space before the colon": POST + b"Content-Length : 4\r\n\r\nbody",
    "no name": GET + b": y\r\n\r\n",
    "no colon": GET + b"X\r\n\r\n",
    "a null in a value": GET + b"X: a\x00b\r\n\r\n",
    "an escape in a value": GET + b"X: a\x1b[2J\r\n\r\n",
    "an escape in the target": b"GET /\x1b[2J HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target without a slash": b"GET one HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target of another scheme": b"GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target with a user": b"GET http://a@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    "a path in Host": b"GET / HTTP/1.1\r\nHost: localhost/@evil\r\n\r\n",
    "a user in Host": b"GET / HTTP/1.1\r\nHost: evil@localhost\r\n\r\n",
    "a list in Host": b"GET / HTTP/1.1\r\nHost: localhost evil\r\n\r\n",
    "no protocol": b"GET /\r\n\r\n",
    "a chunk that ends late": CHUNKED + b"4\r\nbodyX\r\n0\r\n\r\n",
    "a chunk that ends with LF": CHUNKED + b"4\nbody\n0\n\n",
    "a chunk with a sign": CHUNKED + b"-4\r\nbody\r\n0\r\n\r\n",
    "a chunk with a prefix": CHUNKED + b"0x4\r\nbody\r\n0\r\n\r\n",
    "a chunk of 2^120 bytes": CHUNKED + b"F" * 30 + b"\r\nbody\r\n0\r\n\r\n",
    "CR in an extension": CHUNKED + b"4;a\rb\r\nbody\r\n0\r\n\r\n",
    "LF in an extension": CHUNKED + b"4;a\nb\r\nbody\r\n0\r\n\r\n",
    "a long extension": CHUNKED + b"4;" + b"a" * 1100 + b"\r\nbody\r\n0\r\n\r\n",
    "an endless extension": CHUNKED + b"4;" + b"a" * 100_000,
    "many extensions": CHUNKED + (b"1;" + b"a" * 500 + b"\r\nb\r\n") * 40 + b"0\r\n\r\n",
}
TOO_LARGE = {
    "one header": GET + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    "an endless header": GET + b"X: " + b"y" * 300_000,
    "an endless target": b"GET /" + b"y" * 300_000,
    "many headers": GET + b"X: y\r\n" * 300 + b"\r\n",
    "trailers": CHUNKED + b"0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
}
ACCEPTED = {
    "a length": (POST + b"Content-Length: 4\r\n\r\nbody", b"body"),
    "a length twice": (POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "chunks": (CHUNKED + b"4\r\nbody\r\n2\r\n\r\n\r\n0\r\n\r\n", b"body\r\n"),
    "chunks with extensions": (CHUNKED + b'4;a=b;c="d"\r\nbody\r\n0;e\r\n\r\n', b"body"),
    "a coding in capitals": (POST + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", b""),
    "trailers": (CHUNKED + b"4\r\nbody\r\n0\r\nHost: evil\r\nX: y\r\n\r\n", b"body"),
    "tabs and text beyond ASCII": (POST + b"X:\ta\tb \xc3\xa9\r\n\r\n", b""),
    # WSGI's names of headers do not distinguish "_" from "-".
    "underscores": (
        POST + b"Content_Length: 9\r\nTransfer_Encoding: chunked\r\nHost_: evil\r\n"
        b"Content-Length: 4\r\n\r\nbody",
        b"body",
    ),
}


@pytest.fixture(scope="module")
def arrived() -> Arrived:
    """Return the requests that the application has read completely."""
    return []


@pytest.fixture(scope="module")
def listener(arrived: Arrived) -> Iterator[Listener]:
    async def read(exchange: Exchange) -> None:
        environ = exchange.environ
        body = await exchange.read(1 << 20)
        asked = environ["REQUEST_METHOD"], environ["REQUEST_URI"], environ["HTTP_HOST"]
        arrived.append((*asked, body or b""))
        await exchange.answer(Answer(200, [], b"read"))

    made = Listener(read, host="127.0.0.1", threads=2, grace=1)
    made.start()
    yield made
    made.stop()


def send(listener: Listener, *pieces: bytes) -> bytes:
    """Send the pieces one by one, and return what the server sends until it closes."""
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while piece := connection.recv(65536):
                got += piece
        except (BrokenPipeError, ConnectionResetError):
            # The server has closed the connection before it read everything.
            pass
        return got


def check_refused(answer: bytes, status: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nConnection: close" in head
    error = json.loads(body)  # one answer only
    assert error["__type"] == "SerializationException"
    assert error["Message"].endswith(".")


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_an_ambiguous_request_is_refused_and_nothing_after_it_is_read(
    listener: Listener, arrived: Arrived, data: bytes
) -> None:
    arrived.clear()
    check_refused(send(listener, data + SMUGGLED), b"400 ")
    assert arrived == []


@pytest.mark.parametrize("name", [name for name in REFUSED if len(REFUSED[name]) < 500])
def test_an_ambiguous_request_is_refused_however_it_is_cut(
    listener: Listener, arrived: Arrived, name: str
) -> None:
    data = REFUSED[name] + SMUGGLED
    for size in (1, 7):
        arrived.clear()
        answer = send(listener, *[data[at : at + size] for at in range(0, len(data), size)])
        if answer:  # otherwise the client was still sending when the connection was closed
            check_refused(answer, b"400 ")
        assert arrived == []


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE)
def test_headers_have_a_largest_size(listener: Listener, arrived: Arrived, data: bytes) -> None:
    arrived.clear()
    answer = send(listener, data)
    if answer:
        check_refused(answer, b"431 ")
    assert arrived == []


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0"])
def test_other_versions_of_http_are_refused(listener: Listener, version: bytes) -> None:
    check_refused(send(listener, b"GET / " + version + b"\r\nHost: localhost\r\n\r\n"), b"505 ")


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_clear_request_is_read_however_it_is_cut(
    listener: Listener, arrived: Arrived, name: str
) -> None:
    data, body = ACCEPTED[name]
    last = GET.replace(b"/one", b"/last") + b"Connection: close\r\n\r\n"
    for size in (1, 7, 10_000):
        arrived.clear()
        pieces = [(data + last)[at : at + size] for at in range(0, len(data + last), size)]
        assert send(listener, *pieces).count(b"HTTP/1.1 200 OK") == 2
        assert arrived == [
            ("POST", "/one", "localhost", body),
            ("GET", "/last", "localhost", b""),
        ]


def test_requests_in_a_body_are_not_read(listener: Listener, arrived: Arrived) -> None:
    arrived.clear()
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(SMUGGLED)
    assert send(listener, GET + length + SMUGGLED).count(b"HTTP/1.1 ") == 1
    assert arrived == [("GET", "/one", "localhost", SMUGGLED)]


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"TLS/1.0"])
def test_no_other_protocol_is_spoken(listener: Listener, arrived: Arrived, protocol: bytes) -> None:
    arrived.clear()
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: " + protocol + b"\r\n"
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    answer = send(listener, GET + upgrade + key)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"upgrade" not in answer.lower()


def test_a_request_that_becomes_invalid_while_it_is_answered_is_no_fault_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answered = threading.Event()

    async def answer_without_reading(exchange: Exchange) -> None:
        await exchange.answer(Answer(403, [], b"refused"))
        answered.set()

    made = Listener(answer_without_reading, host="127.0.0.1", threads=2, grace=1)
    made.start()
    try:
        check_refused(send(made, CHUNKED + b"zz\r\n"), b"400 ")
        assert answered.wait(20)
    finally:
        made.stop()
    assert "could not be answered" not in caplog.text


def test_a_refused_request_for_the_head_alone_gets_no_body(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    answer = send(listener, b"HEAD / HTTP/1.1\r\nHost: localhost/@evil\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1
    assert "Fatal error" not in caplog.text
