"""A stream worker that hangs gives its process back after it has lost its lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from facedex.settings import settings
from facedex_local.postgres.cluster import Postgres
from tests.e2e.streaming import Scene, until
from tests.integration.streaming import PATIENCE, Configure

# The process that the server starts, with less time to end without a lease.
_WORKER = """
import sys
from facedex_local import lifeline
lifeline.watch()
from facedex_functions.run_stream_processor import handler
handler._MARGIN = 0
from facedex_local.workers.processes import work
work("run_stream_processor", 0, sys.argv[1])
"""


@contextmanager
def working(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker process that receives the messages of the service's queue."""
    command = [sys.executable, "-c", _WORKER, settings().stream_queue]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output) as worker,
    ):
        try:
            yield worker
        finally:
            worker.kill()


def backends(postgres: Postgres, database_url: str) -> set[int]:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = %s AND backend_type = 'client backend'",
            (name,),
        )
        return {pid for (pid,) in rows}


@contextmanager
def suspending() -> Iterator[Callable[[set[int]], None]]:
    """Yield a function that suspends processes until the block ends; their clients wait."""
    suspended: set[int] = set()

    def suspend(pids: set[int]) -> None:
        for pid in pids - suspended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        suspended.update(pids)

    try:
        yield suspend
    finally:
        for pid in suspended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_process_of_a_worker_ends_if_its_database_connections_hang(
    scene: Scene, postgres: Postgres, database_url: str, tmp_path: Path, configure: Configure
) -> None:
    configure(DATABASE_PATIENCE=1, STATEMENT_TIMEOUT=1)
    others = backends(postgres, database_url)
    log = tmp_path / "worker.log"
    with working(log) as worker:
        scene.wait("RUNNING", PATIENCE)
        with suspending() as suspend:

            def has_ended() -> bool:
                # A thread of the worker opens a further connection if another one uses the first.
                suspend(backends(postgres, database_url) - others)
                return worker.poll() is not None

            until(has_ended)
        assert worker.wait(PATIENCE) == 1
    output = log.read_text()
    assert "has lasted for 4 seconds without a lease" in output
    assert "process_stream" in output  # in the stack of the waiting thread
