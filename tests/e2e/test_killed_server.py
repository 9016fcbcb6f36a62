"""``kill -9`` of the server: within a second, only Postgres remains, and nothing stays held."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from facedex_local.postgres.cluster import Postgres
from tests.conftest import Server
from tests.e2e.films import Studio, moving

BOUND = 1.0  # seconds
REPLICA = "facedex_local.replica"
WORKER = "facedex_local.workers.__main__"


@pytest.fixture(autouse=True)
def no_postgres_remains(tmp_path: Path) -> Iterator[None]:
    yield
    Postgres(tmp_path / "data").stop()


def children(server: Server, module: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(server.process.pid).children(recursive=True):
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if module in child.cmdline():
                found.append(child)
    return found


def await_children(server: Server, module: str, count: int) -> list[psutil.Process]:
    end = time.monotonic() + 60
    while len(found := children(server, module)) < count:
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that run; one that has ended and was not waited for yet does not count."""
    running = []
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE:
                running.append(each)
    return running


def kill(server: Server, processes: list[psutil.Process]) -> float:
    """Kill the server; return the seconds after which all the other processes have ended."""
    server.process.kill()
    server.process.wait()
    killed = time.monotonic()
    while alive(processes):
        assert time.monotonic() < killed + 30
        time.sleep(0.005)
    return time.monotonic() - killed


def test_every_process_but_postgres_ends_with_a_killed_server(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_PROCESSES="3", FACEDEX_VIDEO_WORKERS="2")
    studio = Studio(server, {})
    studio.start(studio.put("film.mp4", moving(portraits, "eileen")))
    processes = await_children(server, REPLICA, 2) + await_children(server, WORKER, 2)
    time.sleep(3.0)  # the workers are at work now
    everything = psutil.Process(server.process.pid).children(recursive=True)
    assert kill(server, processes) < BOUND
    (remaining,) = {each.name() for each in alive(everything)}
    assert remaining == "postgres"


def test_workers_that_are_starting_end_with_a_killed_server(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_VIDEO_WORKERS="2")
    studio = Studio(server, {})
    studio.start(studio.put("film.mp4", moving(portraits, "eileen")))
    assert kill(server, await_children(server, WORKER, 2)) < BOUND


def test_no_lease_of_a_killed_server_is_waited_for(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_VIDEO_WORKERS="1")
    studio = Studio(server, {})
    studio.start(studio.put("film.mp4", moving(portraits, "eileen")))
    held = "SELECT lease FROM video_tasks WHERE leased_until > now() AND done_at IS NULL"
    url = Postgres(server.directory).url
    with psycopg.connect(url, autocommit=True) as connection:
        while not (leases := {row[0] for row in connection.execute(held)}):
            time.sleep(0.01)
        kill(server, await_children(server, WORKER, 1))
        assert leases & {row[0] for row in connection.execute(held)} == leases
    launch(FACEDEX_VIDEO_WORKERS="1")
    with psycopg.connect(url, autocommit=True) as connection:
        assert leases & {row[0] for row in connection.execute(held)} == set()
