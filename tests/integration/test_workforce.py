"""Worker processes are started again, whatever ended them or kept them from starting."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from facedex.runtime import services
from facedex.settings import settings
from facedex.store.database import Database
from facedex_local.workers import processes
from facedex_local.workers.processes import Workforce
from facedex_local.workers.queues import VIDEO
from tests.e2e.streaming import until
from tests.integration.streaming import Configure
from tests.processes import children

FUNCTION = "search_video_segment"
QUEUE = "http://127.0.0.1:9/1/video"  # no queue answers there


@pytest.fixture(autouse=True)
def settings_of_workers(
    database: Database, database_url: str, configure: Configure, tmp_path: Path
) -> Iterator[None]:
    services._database.cache_clear()
    configure(DATABASE_URL=database_url, AUTH="none", MODELS=tmp_path, VIDEO_QUEUE=QUEUE)
    yield
    services.database().close()
    services._database.cache_clear()
    settings.cache_clear()


def workforce(function: str = FUNCTION) -> Workforce:
    return Workforce(function, VIDEO, 0, lambda _: 1, lambda _: None)


def workers() -> list[psutil.Process]:
    """Return the workers of this process, without those of other tests' servers."""
    return children(os.getpid(), FUNCTION, recursive=False)


def test_a_killed_worker_is_reported_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    with workforce().working():
        until(lambda: bool(workers()))
        (killed,) = workers()
        killed.kill()
        until(lambda: any(each != killed for each in workers()))
    assert f"A worker of {FUNCTION} ended with status -9" in caplog.text


def test_workers_start_as_soon_as_the_machine_can_start_a_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PATIENCE", 1.0)
    working = sys.executable
    monkeypatch.setattr(sys, "executable", "/missing/python")
    with workforce().working():
        until(lambda: f"Work for {FUNCTION} is suspended: " in caplog.text)
        assert workers() == []
        monkeypatch.setattr(sys, "executable", working)
        until(lambda: bool(workers()))


def test_a_worker_that_dies_at_once_is_started_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: now))
    pool = processes._Pool(workforce("none"))
    waits: list[float] = []
    pool.start_missing(1)
    for _ in range(5):
        until(lambda: bool(pool.find_dead()))
        pool.remove(pool.find_dead())
        died = now
        while not pool._running:
            now += 0.25
            pool.start_missing(1)
        waits.append(now - died)
    pool.stop()
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]
