"""Health and metrics are answered while requests use every thread of the server."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer
from facedex_local.http.listener import Listener
from facedex_local.http.server import Server
from facedex_local.metrics import files
from facedex_local.metrics.starting import start_metrics

THREADS = 2


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A server whose requests use all of its threads until the test ends."""
    for name in (files.SETTING, "FACEDEX_METRICS"):
        monkeypatch.setenv(name, "")
    # Without it, a scrape is answered too: it is refused.
    monkeypatch.setenv("FACEDEX_METRICS_TOKEN", "required")
    ended = threading.Event()
    entered = threading.Semaphore(0)

    def work() -> None:
        entered.release()
        ended.wait()

    async def elsewhere(exchange: Exchange) -> None:
        await exchange.run(work)
        await exchange.answer(Answer(200, [], b""))

    scraped = start_metrics(True, tmp_path, guarded=False)
    server = Server(elsewhere=scraped(elsewhere), health=lambda: {"status": "ok"}, log=False)
    listener = Listener(server, host="127.0.0.1", port=0, threads=THREADS)
    listener.start()
    clients = [http.client.HTTPConnection("127.0.0.1", listener.port) for _ in range(THREADS)]
    for client in clients:
        client.request("GET", "/photos/portrait.jpg")
        assert entered.acquire(timeout=60)
    yield listener
    ended.set()
    for client in clients:
        assert client.getresponse().status == 200
        client.close()
    listener.stop()


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/metrics", 401)])
def test_monitoring_waits_for_no_request(busy: Listener, path: str, status: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", busy.port, timeout=30)) as client:
        client.request("GET", path)
        assert client.getresponse().status == status
