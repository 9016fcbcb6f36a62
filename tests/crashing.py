"""A crash of Postgres in the middle of a transaction that writes a table."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from facedex_local.postgres.cluster import Postgres
from tests.disk_bytes import places_of
from tests.e2e.streaming import until


def answers(server: Postgres) -> bool:
    """Return whether a server accepts connections."""
    try:
        psycopg.connect(server.url).close()
    except psycopg.OperationalError:
        return False
    return True


def crash_while_writing(server: Postgres, name: str) -> None:
    """Kill a server before it commits a table of a name, and wait until it is back."""
    pid = server.pid
    assert pid
    copy = "CREATE TABLE copied AS SELECT %s::text AS name FROM generate_series(1, 5000)"
    with suppress(psycopg.OperationalError), psycopg.connect(server.url) as writing:
        psycopg.ClientCursor(writing).execute(copy, (name,))
        with psycopg.connect(server.url, autocommit=True) as other:
            other.execute("CHECKPOINT")
        # The backends first: one that loses its server would still remove its files.
        for each in (*psutil.Process(pid).children(), psutil.Process(pid)):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    until(lambda: server.pid != pid and answers(server))


def tables_with(server: Postgres, name: str) -> list[Path]:
    """Return the files of tables that contain a name."""
    base = server.cluster / "base"
    return [base / each for each in places_of(base, {name: [name.encode()]})[name]]
