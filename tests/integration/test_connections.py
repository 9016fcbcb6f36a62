"""Connections: waits for a database that resumes, use with a proxy, and time limits."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from facedex.store import schema
from facedex.store.database import Database
from facedex.store.store_errors import DatabaseUnavailable, StoreError
from facedex_local.postgres.cluster import Postgres
from tests.integration.asleep import Asleep


@pytest.fixture
def asleep(postgres: Postgres) -> Iterator[Asleep]:
    with Asleep(postgres) as door:
        yield door


def test_requests_wait_for_a_database_that_wakes_up(asleep: Asleep) -> None:
    patient = Database(asleep.url, patience=20)
    threading.Timer(2.5, asleep.wake).start()
    patient.ping()
    patient.close()


def test_waiting_for_a_silent_database_ends_with_the_invocation(
    asleep: Asleep,
) -> None:
    left = 1.5
    short_timeouts = Database(asleep.url, patience=lambda: left)
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        short_timeouts.ping()
    assert left <= time.monotonic() - begun < left + 20
    short_timeouts.close()


def test_a_slowly_starting_postgres_is_waited_for(tmp_path: Path) -> None:
    first, again = Postgres(tmp_path), Postgres(tmp_path)
    first.start()
    first.stop()
    patient = Database(first.url, patience=30)
    starter = threading.Timer(1.5, again.start)
    starter.start()
    try:
        patient.ping()
    finally:
        starter.join()
        patient.close()
        again.stop()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has this option")
@pytest.mark.parametrize(
    ("chosen", "limits"), [({}, [10, 20_000]), ({"keepalives_idle": 77}, [77, 20_000])]
)
def test_a_server_whose_network_fails_is_given_up(
    asleep: Asleep, chosen: dict[str, int], limits: list[int]
) -> None:
    """Otherwise requests, and all threads with a statement in progress, would wait for hours."""
    asleep.wake()
    database = Database(make_conninfo(asleep.url, **chosen))
    with database.reading() as connection:
        connection.execute("SELECT 1")
        with socket.socket(fileno=os.dup(connection.fileno())) as used:
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            found = [
                used.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_USER_TIMEOUT)
            ]
    database.close()
    assert found == limits


def test_a_database_whose_connections_are_all_in_use_answers(postgres: Postgres) -> None:
    """A server that is busy is not down."""
    busy = Database(postgres.url, connections=2, patience=0.2)
    with busy.reading(), busy.reading():
        with pytest.raises(DatabaseUnavailable), busy.reading():
            pass
        busy.ping()
    busy.close()
    down = Database("postgresql://127.0.0.1:1/none", connections=1, patience=0.2)
    with pytest.raises(DatabaseUnavailable):
        down.ping()
    down.close()


def test_connections_through_a_proxy_keep_no_session_state(database_url: str) -> None:
    schema.migrate(Database(database_url))
    shared = Database(database_url, pooled=True, connections=1)
    for _ in range(8):
        with shared.transaction() as connection:
            connection.execute("SELECT lock_name(%s)", ("somebody",))
    with shared.transaction() as connection:
        assert connection.execute("SELECT 1 FROM pg_prepared_statements").fetchall() == []
        changed = connection.execute("SELECT name FROM pg_settings WHERE source = 'session'")
        assert changed.fetchall() == []
        row = connection.execute("SHOW statement_timeout").fetchone()
    assert row is not None
    assert row.statement_timeout == "0"  # the role's setting, which is absent here
    shared.close()


def test_no_statement_pins_a_proxy_connection() -> None:
    """Statements for which RDS Proxy pins a connection; only two modules may use them.

    Migrations run once. Erasures are on one machine only, never behind a proxy.
    """
    pinning = re.compile(
        r"pg_(try_)?advisory|set_config\(|\bSET SESSION|\b(next|set)val\("
        r"|\bTEMP(ORARY)?\b|\b(LISTEN|DECLARE)\b"
    )
    folder = Path(str(schema.__file__)).parent
    found = {path.name for path in folder.glob("*.py") if pinning.search(path.read_text("utf-8"))}
    assert found == {"schema.py", "erasing.py"}


def test_a_migration_that_takes_too_long_is_undone_in_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "CREATE TABLE half_done (); SELECT pg_sleep(0.7); SELECT pg_sleep(0.7);"
    monkeypatch.setattr(schema, "_migrations", lambda: [("9999_slow.sql", slow)])
    with pytest.raises(StoreError, match="9999_slow"):
        schema.migrate(database, seconds=1.0)
    with database.transaction() as connection:
        assert connection.execute("SELECT to_regclass('half_done')").fetchone() == (None,)


def test_a_migration_that_cannot_get_its_lock_gives_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LOCK_PATIENCE", 1)
    blocked = "ALTER TABLE collections ADD COLUMN colour text"
    monkeypatch.setattr(schema, "_migrations", lambda: [("9999_blocked.sql", blocked)])
    with database.transaction() as connection:
        connection.execute("SELECT count(*) FROM collections")
        with pytest.raises(DatabaseUnavailable):
            schema.migrate(database, seconds=60.0)
