"""``kill -9`` of the server: in a moment, only Postgres remains, and nothing stays held."""

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
from tests.processes import children

BOUND = 30.0  # seconds; on an idle machine, it takes less than one
REPLICA = "facedex_local.replica"
WORKER = "facedex_local.workers.__main__"


@pytest.fixture(autouse=True)
def no_postgres_remains(tmp_path: Path) -> Iterator[None]:
    yield
    Postgres(tmp_path / "data").stop()


def await_children(server: Server, module: str, count: int) -> list[psutil.Process]:
    end = time.monotonic() + 60
    while len(found := children(server.process.pid, module)) < count:
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def alive(processes: list[psutil.Process]) -> list[str]:
    """Return the names of those that run; one that has ended and was not waited for is left out."""
    running = []
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE:
                running.append(each.name())
    return running


def kill(server: Server) -> None:
    server.process.kill()
    server.process.wait()


def await_end(processes: list[psutil.Process], remaining: set[str]) -> None:
    """Wait until of these processes, only those with certain names run."""
    began = time.monotonic()
    while set(alive(processes)) != remaining:
        assert time.monotonic() < began + BOUND, alive(processes)
        time.sleep(0.005)
    print(f"ended in {time.monotonic() - began:.2f} s")


def test_every_process_but_postgres_ends_with_a_killed_server(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_PROCESSES="3", FACEDEX_VIDEO_WORKERS="2")
    studio = Studio(server, {})
    studio.start(studio.put("film.mp4", moving(portraits, "eileen")))
    processes = await_children(server, REPLICA, 2) + await_children(server, WORKER, 2)
    time.sleep(3.0)  # the workers are at work now
    everything = psutil.Process(server.process.pid).children(recursive=True)
    kill(server)
    await_end([*processes, *everything], {"postgres"})


def test_workers_that_are_starting_end_with_a_killed_server(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_VIDEO_WORKERS="2")
    studio = Studio(server, {})
    studio.start(studio.put("film.mp4", moving(portraits, "eileen")))
    workers = await_children(server, WORKER, 2)
    kill(server)
    await_end(workers, set())


def test_no_lease_of_a_killed_server_is_waited_for(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_VIDEO_WORKERS="1")
    studio = Studio(server, {})
    # Enough work that it is not done before the worker is looked at.
    film = studio.put("film.mp4", moving(portraits, "eileen", seconds=20))
    for _ in range(10):
        studio.start(film)
    held = "SELECT lease FROM video_tasks WHERE leased_until > now() AND done_at IS NULL"
    url = Postgres(server.directory).url
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            workers = await_children(server, WORKER, 1)
            for each in workers:
                each.suspend()
            time.sleep(0.1)  # for the database to complete what they have sent
            if leases := {row[0] for row in connection.execute(held)}:
                break
            for each in workers:
                each.resume()
        kill(server)
        for each in workers:
            each.kill()
        await_end(workers, set())
        assert leases & {row[0] for row in connection.execute(held)} == leases
    launch(FACEDEX_VIDEO_WORKERS="1")
    with psycopg.connect(url, autocommit=True) as connection:
        assert leases & {row[0] for row in connection.execute(held)} == set()
