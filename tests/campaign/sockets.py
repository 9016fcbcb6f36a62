"""Slow, idle, half-closed and broken connections, while ordinary requests are answered."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from urllib.parse import urlsplit

import psutil
from botocore.config import Config

from tests.campaign.stage import Part, Stage, together
from tests.campaign.tally import Tally

BOUND = 5.0  # maximum seconds of an ordinary request
_MOST = 2000  # connections that are open at the same time
_COLLECTION = "sockets"
_RELEASE = 90.0  # maximum seconds until the connections of clients that have gone are closed
_FILES = 200  # maximum number of open files without clients
_HEAD = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.1\r\n"
    b"X-Amz-Target: RekognitionService.ListCollections\r\n"
)
# Statuses that refuse a request; any other of 500 or more is an error of the server. 505 is right
# for an unknown version of HTTP.
_REFUSED = (*range(400, 500), 505)


class Sockets(Part):
    """Connections that misbehave, thousands at the same time."""

    name = "sockets"
    share = 2

    def run(self, stage: Stage, tally: Tally) -> None:
        with stage.server(tally) as server, ExitStack() as stack:
            address = urlsplit(server.url)
            crowd = stack.enter_context(_crowd((address.hostname or "", address.port or 0), tally))
            config = Config(
                retries={"total_max_attempts": 1}, read_timeout=10 * BOUND, connect_timeout=10
            )
            rekognition = server.client("rekognition", config=config)
            rekognition.create_collection(CollectionId=_COLLECTION)
            image = {"Bytes": stage.portraits["grace"]}
            numbers = iter(range(10**9))

            def ask(call: Callable[[], object]) -> None:
                began = time.monotonic()
                call()
                seconds = time.monotonic() - began
                tally.answer(seconds)
                if seconds > BOUND:
                    tally.surprise(f"An ordinary request took {seconds:.1f} s.")

            def misbehave() -> None:
                number = next(numbers)
                tally.attempt()
                crowd(number, stage.random(number))

            together(
                stage,
                tally,
                misbehave,
                lambda: ask(lambda: rekognition.describe_collection(CollectionId=_COLLECTION)),
                lambda: ask(lambda: rekognition.detect_faces(Image=image)),
            )
            stack.close()
            ask(rekognition.list_collections)
            _check_release(psutil.Process(server.process.pid), tally)


def _check_release(process: psutil.Process, tally: Tally) -> None:
    """Check that the server has closed the connections whose clients are gone."""
    end = time.monotonic() + _RELEASE
    while (count := process.num_fds()) > _FILES and time.monotonic() < end:
        time.sleep(0.5)
    tally.check()
    if count > _FILES:
        tally.surprise(f"The server has {count} open files after its clients have gone.")


@contextmanager
def _crowd(address: tuple[str, int], tally: Tally) -> Iterator[Callable[[int, Random], None]]:
    """Yield a function that opens a misbehaving connection; the oldest ones are closed."""
    opened: deque[socket.socket] = deque()

    def add(number: int, random: Random) -> None:
        connection = socket.create_connection(address, timeout=10)
        opened.append(connection)
        behaviour = random.choice(_BEHAVIOURS)
        with suppress(ConnectionError, TimeoutError):  # the server may have closed it
            _look(behaviour(connection, random), number, tally)
        if len(opened) > _MOST:
            opened.popleft().close()
        tally.notes["connections at most"] = max(tally.notes["connections at most"], len(opened))

    try:
        yield add
    finally:
        for connection in opened:
            connection.close()


def _look(answer: bytes, number: int, tally: Tally) -> None:
    """Count the status in an answer; none is expected of a request that is not complete."""
    if not answer.startswith(b"HTTP/1.1 "):
        tally.refuse("no answer")
        return
    status = int(answer[9:12])
    if status in _REFUSED:
        tally.refuse(str(status))
    elif status >= 500:
        tally.surprise(f"A broken request was answered {status}.", number, answer)
    else:
        tally.answer()


def _idle(connection: socket.socket, random: Random) -> bytes:
    return b""


def _half_a_head(connection: socket.socket, random: Random) -> bytes:
    connection.sendall(_HEAD[: random.randrange(1, len(_HEAD))])
    return b""


def _half_a_body(connection: socket.socket, random: Random) -> bytes:
    connection.sendall(_HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * random.randrange(1000))
    return b""


def _slow_head(connection: socket.socket, random: Random) -> bytes:
    for byte in _HEAD[: random.randrange(1, 40)]:
        connection.sendall(bytes([byte]))
        time.sleep(0.002)
    return b""


def _half_closed(connection: socket.socket, random: Random) -> bytes:
    """Send a request, whole or not, and close the sending side."""
    whole = _HEAD + b"Content-Length: 2\r\n\r\n{}"
    connection.sendall(random.choice((whole, whole[:-1], _HEAD)))
    connection.shutdown(socket.SHUT_WR)
    return _read(connection)


def _unread(connection: socket.socket, random: Random) -> bytes:
    """Send many requests and read no answer."""
    connection.sendall((_HEAD + b"Content-Length: 2\r\n\r\n{}") * random.choice((1, 10, 100)))
    return b""


def _broken(connection: socket.socket, random: Random) -> bytes:
    connection.sendall(
        random.choice(
            (
                b"\x16\x03\x01\x02\x00" + random.randbytes(200),  # TLS
                b"GET / HTTP/9.9\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
                b"\r\n" * 1000,
                random.randbytes(2000),
            )
        )
    )
    connection.shutdown(socket.SHUT_WR)
    return _read(connection)


def _reset(connection: socket.socket, random: Random) -> bytes:
    """Close the connection with a reset in the middle of a request."""
    connection.sendall(_HEAD + b"Content-Length: 100\r\n\r\n{}")
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    )
    connection.close()
    return b""


def _read(connection: socket.socket) -> bytes:
    connection.settimeout(10)
    return connection.recv(4096)


_BEHAVIOURS: tuple[Callable[[socket.socket, Random], bytes], ...] = (
    *(_idle, _idle, _idle, _half_a_head, _half_a_body, _slow_head, _half_closed),
    *(_unread, _broken, _reset),
)
