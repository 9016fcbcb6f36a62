"""Responses of the listener, and its limits on slow and silent clients."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from facedex_local.http import protocol
from facedex_local.http.exchange import Exchange
from facedex_local.http.listener import Application, Listener
from facedex_local.http.wsgi import Wsgi
from facedex_local.start_errors import PortTaken

ANSWERS: dict[str, tuple[str, list[tuple[str, str]], list[bytes]]] = {
    "/whole": ("200 OK", [("Content-Length", "5")], [b"hello"]),
    "/pieces": ("200 OK", [], [b"hel", b"lo"]),
    "/nothing": ("200 OK", [("Content-Length", "0")], []),
    "/no-content": ("204 No Content", [], []),
}
THREADS = 3
CLIENTS = 3 * THREADS
BOUND = (
    30.0  # seconds: much longer than a stop takes, much shorter than the 65 s of an idle connection
)
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


def plain(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    status, headers, body = ANSWERS[environ["PATH_INFO"]]
    start(status, headers)
    return body


class Hanging:
    """Sends more than the connection's buffers can hold; a request for /hang blocks a thread."""

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.read(100)
        self.entered.release()
        if exchange.environ["PATH_INFO"] == "/hang":
            await exchange.run(self.go_on.acquire)
        await exchange.start(200, [])
        await exchange.finish(bytes(64 << 20))


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    for _ in range(CLIENTS):
        made.go_on.release()


@pytest.fixture
def serve() -> Iterator[Callable[..., Listener]]:
    """Return a function that starts a listener, which is stopped after the test."""
    with ExitStack() as stack:

        def serve(application: Application, **options: Any) -> Listener:
            made = Listener(application, host="127.0.0.1", port=0, threads=THREADS, **options)
            made.start()
            stack.callback(made.stop)
            return made

        yield serve


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Return a stack that closes the test's connections."""
    with ExitStack() as stack:
        yield stack


def connect(listener: Listener, held: ExitStack, data: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", listener.port), timeout=60)
    held.enter_context(client).sendall(data)
    return client


def read(client: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        piece = client.recv(65536)
        assert piece, got
        got += piece
    return got


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


def stops(listener: Listener) -> bool:
    stopper = threading.Thread(target=listener.stop, daemon=True)
    stopper.start()
    stopper.join(BOUND)
    return not stopper.is_alive() and not listener._thread.is_alive()


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/pieces", b"\r\n\r\nhello"),
        ("/nothing", b"\r\n\r\n"),
        ("/no-content", b"\r\n\r\n"),
    ],
)
def test_an_answer_ends_where_the_next_one_begins(
    serve: Callable[..., Listener], held: ExitStack, path: str, end: bytes
) -> None:
    client = connect(serve(Wsgi(plain)), held, b"")
    for _ in range(3):
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert read(client, end).startswith(f"HTTP/1.1 {ANSWERS[path][0]}\r\n".encode())
    client.sendall(b"GET /whole HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read(client, b"hello").startswith(b"HTTP/1.1 200 OK\r\n")


def test_more_clients_than_threads_hold_connections_and_hold_up_no_request(
    serve: Callable[..., Listener], held: ExitStack
) -> None:
    listener = serve(Wsgi(plain))
    for data in (b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\nhalf"):
        for _ in range(CLIENTS):
            connect(listener, held, data)
    client = connect(listener, held, b"GET /whole HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read(client, b"hello").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_fails_is_answered_with_an_error_that_sdks_know(
    serve: Callable[..., Listener], held: ExitStack
) -> None:
    client = connect(serve(Wsgi(plain)), held, b"GET /fails HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 ")
    assert json.loads(body)["__type"] == "InternalServerError"


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-x\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\nfive\r\n"],
    ids=["no-http", "broken-chunk"],
)
def test_a_request_that_is_not_http_is_refused_and_ends_the_connection(
    serve: Callable[..., Listener], held: ExitStack, data: bytes
) -> None:
    head, _, body = read_all(connect(serve(Wsgi(plain)), held, data)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["__type"] == "SerializationException"


def test_a_client_that_awaits_permission_sends_its_body_then(
    serve: Callable[..., Listener], held: ExitStack
) -> None:
    async def echo(exchange: Exchange) -> None:
        body = await exchange.read(100)
        await exchange.start(200, [("Content-Length", "4")])
        await exchange.finish(body or b"none")

    client = connect(serve(echo), held, HEAD + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert read(client, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    client.sendall(b"body")
    assert read(client, b"body").startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "data", [b"", HEAD, HEAD + b"\r\n", HEAD + b"Content-Length: 9\r\n\r\nhalf"]
)
def test_a_silent_client_is_disconnected(
    serve: Callable[..., Listener],
    held: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
) -> None:
    monkeypatch.setattr(protocol, "IDLE", 0.3)
    monkeypatch.setattr(Exchange.receive, "__defaults__", (0.3,))

    async def answer(exchange: Exchange) -> None:
        await exchange.read(100)
        await exchange.start(200, [("Content-Length", "0")])
        await exchange.finish()

    client = connect(serve(answer), held, data)
    client.settimeout(BOUND)
    try:
        read_all(client)
    except ConnectionResetError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 100\r\n\r\nhalf",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
    ],
    ids=["nothing", "half-the-headers", "half-a-body", "half-a-chunk"],
)
def test_listener_stops_within_seconds_while_clients_send_half_a_request(
    serve: Callable[..., Listener], hanging: Hanging, held: ExitStack, data: bytes
) -> None:
    listener = serve(hanging, grace=1)
    for _ in range(CLIENTS):
        connect(listener, held, data)
    assert stops(listener)


def test_listener_stops_within_seconds_while_clients_read_nothing(
    serve: Callable[..., Listener], hanging: Hanging, held: ExitStack
) -> None:
    listener = serve(hanging, grace=1)
    for _ in range(CLIENTS):
        connect(listener, held, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert hanging.entered.acquire(timeout=60)
    assert stops(listener)


def test_listener_stops_within_seconds_while_requests_hang(
    serve: Callable[..., Listener], hanging: Hanging, held: ExitStack
) -> None:
    listener = serve(hanging, grace=1)
    for _ in range(CLIENTS):
        connect(listener, held, b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert hanging.entered.acquire(timeout=60)
    assert stops(listener)


def test_a_request_under_way_is_answered_before_the_listener_stops(
    serve: Callable[..., Listener], hanging: Hanging, held: ExitStack
) -> None:
    listener = serve(hanging, grace=20)
    client = connect(listener, held, b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert hanging.entered.acquire(timeout=60)
    stopper = threading.Thread(target=listener.stop, daemon=True)
    stopper.start()
    while not listener._server.should_exit:
        time.sleep(0.01)
    time.sleep(0.3)  # time for the listener to begin to stop
    hanging.go_on.release()
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(answer) > 64 << 20
    stopper.join(BOUND)
    assert not stopper.is_alive()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://api.example:9000/v1/x%2Fy?a=1", ["api.example:9000", "/v1/x%2Fy?a=1", "a=1"]),
        (b"HTTP://api.example", ["api.example", "/", ""]),
        (b"/v1?next=http://other/", ["localhost", "/v1?next=http://other/", "next=http://other/"]),
    ],
)
def test_a_target_in_absolute_form_names_host_and_path(
    serve: Callable[..., Listener], held: ExitStack, target: bytes, expected: list[str]
) -> None:
    def describe(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start("200 OK", [])
        names = ("HTTP_HOST", "REQUEST_URI", "QUERY_STRING")
        return [json.dumps([environ[name] for name in names]).encode()]

    head = b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    response = read_all(connect(serve(Wsgi(describe)), held, head))
    assert json.loads(response.partition(b"\r\n\r\n")[2]) == expected


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_of_another_machine_is_not_blamed_on_the_port(host: str) -> None:
    sentence = "choose an address of this machine with --host."
    with pytest.raises(PortTaken, match=re.escape(sentence)):
        Listener(Wsgi(plain), host=host, port=0, threads=1)
