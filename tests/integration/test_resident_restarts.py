"""Copies in memory when Postgres has crashed, or is a standby: answers are those of SQL."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from facedex.store import schema
from facedex.store.continuous import ContinuousResidents
from facedex.store.database import Database
from facedex_local.postgres.cluster import Postgres
from facedex_local.postgres.options import OPTIONS
from tests.integration.galleries import index, make, unit_vectors
from tests.integration.residents import SIZE, answers, fill, find, warm

LOST = 20  # transactions


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """Return a server of the test's own, which writes commits that do not wait to its log late."""
    monkeypatch.setitem(OPTIONS, "wal_writer_delay", "10s")
    monkeypatch.setitem(OPTIONS, "autovacuum", "off")  # its commits wait, and those before are kept
    monkeypatch.setitem(OPTIONS, "wal_level", "replica")  # that of a standby
    server = Postgres(tmp_path)
    server.start()
    yield server
    server.stop()


def crash(url: str) -> None:
    """Kill a process of the server, and wait until the server has recovered."""
    witness = psycopg.connect(url, autocommit=True)
    with psycopg.connect(url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    with pytest.raises(psycopg.OperationalError):
        witness.execute("SELECT pg_sleep(60)")  # until the server ends all its processes
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def database(server: Postgres) -> Iterator[Database]:
    database = Database(server.url)
    schema.migrate(database)
    yield database
    database.close()


@pytest.fixture
def with_copies(server: Postgres, database: Database) -> Iterator[Database]:
    other = Database(server.url)
    other.residents = ContinuousResidents(other, 64 << 20, smallest=10)
    yield other
    other.close()


def next_id(url: str) -> int:
    """Return the id that the next transaction gets."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    assert row
    return int(row[0])


def test_ids_of_transactions_that_a_crash_frees_hide_no_face(
    server: Postgres, database: Database, with_copies: Database
) -> None:
    collection, vectors = make(database), unit_vectors(SIZE + LOST + 1)
    fill(database, "staff", vectors[:SIZE])
    warm(with_copies, collection, vectors)
    index(database, "staff", b"the copy lacks it", vectors[SIZE : SIZE + 1])
    with psycopg.connect(server.url, autocommit=True) as connection:
        for _ in range(LOST):
            connection.execute("SELECT add_audit('{}')")
    before = next_id(server.url)
    find(with_copies, collection, vectors[:1])
    assert with_copies.residents
    assert with_copies.residents.settle()  # the copy is up to date
    crash(server.url)
    assert next_id(server.url) <= before - LOST
    new = vectors[SIZE + 1 :]
    for number, vector in enumerate(new):
        index(database, "staff", f"new {number}".encode(), vector[None])
    found = find(with_copies, collection, new, min_score=0.9)
    assert [len(matches) for matches in found] == [1] * LOST
    assert with_copies.residents.settle()  # the copy is dropped, and made again
    warm(with_copies, collection, vectors)
    assert find(with_copies, collection, new) == find(database, collection, new)
    assert answers(with_copies) == 2


def test_a_standby_is_searched_in_sql(
    server: Postgres, database: Database, with_copies: Database
) -> None:
    """Its snapshots do not name the transactions in progress, which a copy would never get."""
    collection, vectors = make(database), unit_vectors(SIZE)
    fill(database, "staff", vectors)
    server.stop()
    (server.cluster / "standby.signal").touch()
    standby = Postgres(server.cluster.parent)
    standby.start()
    try:
        for _ in range(2):
            assert len(find(with_copies, collection, vectors[:1], min_score=0.9)[0]) == 1
            assert with_copies.residents
            assert with_copies.residents.settle()
        assert with_copies.residents
        assert with_copies.residents.resident_vectors == 0
    finally:
        standby.stop()
