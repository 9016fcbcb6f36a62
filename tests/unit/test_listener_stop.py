"""A listener stops within seconds, whatever its clients and its application do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from facedex_local.http.listener import Listener

THREADS = 3
CLIENTS = 3 * THREADS  # those beyond the threads wait in the queue
BOUND = 30.0  # far above what a stop takes, and far below the 65 s of an idle connection
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class Application:
    """Reads the body, and answers with more than a connection's buffers hold."""

    def __init__(self) -> None:
        self.hanging = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.entered.release()
        if environ["PATH_INFO"] == "/hang":
            self.hanging.acquire()
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("200 OK", [])
        return (bytes(1 << 20) for _ in range(64))


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    for _ in range(CLIENTS):
        made.hanging.release()


@pytest.fixture
def listener(application: Application) -> Listener:
    made = Listener(application, host="127.0.0.1", port=0, threads=THREADS)
    made._server.shutdown_timeout = 0.5
    made.start()
    return made


@pytest.fixture
def send(listener: Listener) -> Iterator[Callable[[bytes], None]]:
    """Sends the same from many clients, which then hold their connections and read nothing."""
    with ExitStack() as stack:

        def send(data: bytes) -> None:
            for _ in range(CLIENTS):
                client = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
                stack.enter_context(client)
                client.sendall(data)

        yield send


def stops(listener: Listener) -> bool:
    stopper = threading.Thread(target=listener.stop, daemon=True)
    stopper.start()
    stopper.join(BOUND)
    return not stopper.is_alive()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def threads_of(listener: Listener) -> list[Any]:
    return list(listener._server.requests._threads)


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
    listener: Listener, send: Callable[[bytes], None], data: bytes
) -> None:
    send(data)
    threads = threads_of(listener)
    until(lambda: all(thread.conn is not None for thread in threads))
    assert stops(listener)
    assert not any(thread.is_alive() for thread in threads)


def test_listener_stops_within_seconds_while_clients_read_nothing(
    application: Application, listener: Listener, send: Callable[[bytes], None]
) -> None:
    send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in range(THREADS):
        assert application.entered.acquire(timeout=10)
    threads = threads_of(listener)
    assert stops(listener)
    assert not any(thread.is_alive() for thread in threads)


def test_listener_stops_within_seconds_while_requests_hang(
    application: Application, listener: Listener, send: Callable[[bytes], None]
) -> None:
    send(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in range(THREADS):
        assert application.entered.acquire(timeout=10)
    threads = threads_of(listener)
    assert stops(listener)
    # The process can end without those that still hang.
    assert all(thread.daemon for thread in threads)


def test_a_request_under_way_is_answered_before_the_listener_stops(
    application: Application, listener: Listener
) -> None:
    listener._server.shutdown_timeout = 20
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert application.entered.acquire(timeout=10)
        stopper = threading.Thread(target=listener.stop, daemon=True)
        stopper.start()
        until(lambda: not listener._server.ready)
        application.hanging.release()
        answer = b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(answer) > 64 << 20
    stopper.join(BOUND)
    assert not stopper.is_alive()
