"""Requests that last lend the pool a thread each, and take it back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from facedex_local.http.listener import Listener
from facedex_local.http.long_requests import LASTING, Lasting

THREADS = 3


class Lingerer:
    """Holds up every answer; those but for ``/brief`` last."""

    def __init__(self) -> None:
        self.held = threading.Semaphore(0)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        lasting: Lasting = environ[LASTING]
        lasts = environ["PATH_INFO"] != "/brief" and lasting.begin()
        start_response("200 OK", [])

        def answer() -> Iterator[bytes]:
            yield b"begun" if lasts else b"brief"
            self.held.acquire(timeout=10)

        return answer()


def serving(listener: Listener) -> int:
    """Live threads of the server's pool."""
    return sum(thread.is_alive() for thread in listener._server.requests._threads)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def application() -> Lingerer:
    return Lingerer()


@pytest.fixture
def listener(application: Lingerer) -> Iterator[Listener]:
    listener = Listener(application, host="127.0.0.1", port=0, threads=THREADS)
    listener.start()
    yield listener
    for _ in range(100):
        application.held.release()
    listener.stop()


def test_the_pool_is_as_large_as_before_however_many_have_come_and_gone(
    application: Lingerer, listener: Listener
) -> None:
    for _ in range(12):
        with requests.get(listener.url, stream=True, timeout=10) as answer:
            assert next(answer.iter_content(5)) == b"begun"
            application.held.release()
            assert answer.content == b""
        until(lambda: not listener._server.lasting._connections)
    until(lambda: serving(listener) == THREADS)
    threads = listener._server.requests._threads
    assert len([thread for thread in threads if not thread.is_alive()]) <= 1


def test_a_lent_thread_that_is_the_one_to_end_holds_up_nobody(
    application: Lingerer, listener: Listener
) -> None:
    """With every other thread at work, the one that is new is first to hear that one is to end."""
    pool = listener._server.requests
    pool.grow(1)
    with ThreadPoolExecutor(THREADS + 1) as clients:
        asked = [
            clients.submit(requests.get, f"{listener.url}/brief", timeout=20)
            for _ in range(THREADS + 1)
        ]
        until(lambda: all(thread.conn is not None for thread in pool._threads))
        pool.shrink(1)
        lent = threading.Thread(target=pool.grow, args=(1,), daemon=True)
        lent.start()
        lent.join(5)
        for _ in asked:
            application.held.release()
        assert {each.result().content for each in asked} == {b"brief"}
    assert not lent.is_alive()
