"""Deleted rows leave no byte in the files of the database, while it runs and after it stops."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import psycopg
import pytest

from facedex.store import erasing, schema
from facedex.store.database import Database
from facedex.store.store_errors import DatabaseUnavailable
from facedex_local.postgres.cluster import Postgres
from tests.disk_bytes import places_of, windows
from tests.integration.erasures import DIMENSIONS, Gallery


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    postgres = Postgres(tmp_path)
    database = Database(postgres.start(), connections=2)
    schema.migrate(database)
    random = np.random.default_rng(7)
    made = Gallery(
        postgres, database, random.normal(size=DIMENSIONS), random.normal(size=DIMENSIONS)
    )
    made.fill()
    yield made
    database.close()
    postgres.stop()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def pending(gallery: Gallery) -> set[str]:
    with gallery.database.reading() as connection:
        return {table.name for table in erasing.find_pending(connection)}


def test_every_table_of_the_schema_is_erased(database: Database) -> None:
    with database.reading() as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert {row.tablename for row in rows} == set(erasing.TABLES)


def test_no_byte_of_deleted_rows_remains_in_any_file(gallery: Gallery) -> None:
    assert all(gallery.found().values())
    gallery.delete_ann()
    gallery.execute("VACUUM", "CHECKPOINT")
    assert any(gallery.found().values())  # VACUUM alone does not suffice
    done = erasing.erase(gallery.database, everything=True)
    assert done
    assert done.remaining == []
    assert done.log_files > 0
    nothing: dict[str, list[str]] = {name: [] for name in gallery.traces()}
    assert gallery.found() == nothing
    assert gallery.faces() == 60
    assert places_of(gallery.directory, {"bob": windows(gallery.bob)})["bob"]
    gallery.database.close()
    gallery.postgres.stop()
    assert gallery.found() == nothing


def test_no_byte_returns_when_postgres_recovers_from_its_log(gallery: Gallery) -> None:
    gallery.delete_ann()
    assert erasing.erase(gallery.database, everything=True)
    killed = gallery.postgres.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: gallery.postgres.pid not in (None, killed))
    eventually(lambda: not any(gallery.found().values()))


def test_a_replaced_vector_is_erased_too(gallery: Gallery) -> None:
    gallery.execute(
        "UPDATE faces SET vector = '[1,2]', external_image_id = NULL, user_id = NULL",
        "UPDATE users SET vector = '[1,2]'",
    )
    assert erasing.erase(gallery.database, everything=True)
    found = gallery.found()
    assert found["vector"] == found["ann-at-the-door.jpg"] == []
    assert found["user-ann-smith"]  # the user is still there


def test_only_tables_that_lost_rows_are_pending(gallery: Gallery) -> None:
    erasing.erase(gallery.database, everything=True)
    assert pending(gallery) == set()
    gallery.delete_ann()
    # A count follows its statement by a second.
    eventually(lambda: pending(gallery) == {"collections", "faces", "users"})
    done = erasing.erase(gallery.database)
    assert done
    assert done.tables == ["collections", "faces", "users"]
    assert not any(gallery.found().values())
    assert erasing.erase(gallery.database) is None


def test_everything_is_pending_after_a_crash_which_loses_the_counts(gallery: Gallery) -> None:
    erasing.erase(gallery.database, everything=True)
    assert pending(gallery) == set()
    killed = gallery.postgres.pid
    assert killed
    os.kill(killed, signal.SIGKILL)

    def all_pending() -> bool:
        try:
            return pending(gallery) >= {"collections", "faces", "users"}
        except DatabaseUnavailable:
            return False

    eventually(all_pending)


@contextmanager
def reader(gallery: Gallery) -> Iterator[None]:
    with psycopg.connect(gallery.postgres.url) as connection:
        connection.execute("SET default_transaction_isolation = 'repeatable read'")
        connection.commit()
        connection.execute("SELECT pg_current_snapshot()")
        yield


@contextmanager
def writer_in_another_database(gallery: Gallery) -> Iterator[None]:
    with psycopg.connect(gallery.postgres.url, dbname="template1") as connection:
        connection.execute("SELECT pg_current_xact_id()")
        yield


@contextmanager
def analysis_by_autovacuum(gallery: Gallery) -> Iterator[None]:
    slow = (
        "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,"
        " autovacuum_vacuum_insert_threshold = -1"
    )
    gallery.execute(
        "ALTER SYSTEM SET autovacuum_naptime = '1s'",
        "SELECT pg_reload_conf()",
        f"CREATE TABLE other WITH ({slow}) AS"
        " SELECT repeat('x', 999) FROM generate_series(1, 9999)",
    )
    with psycopg.connect(gallery.postgres.url, autocommit=True) as connection:
        begun = "SELECT FROM pg_stat_progress_analyze WHERE relid = 'other'::regclass"
        eventually(lambda: connection.execute(begun).fetchone() is not None)
        yield
        connection.execute("DROP TABLE other")  # ends the analysis


def test_rows_that_something_can_still_see_are_reported_and_erased_later(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facedex.store.rewriting._OLD_TRANSACTIONS", 0.2)
    gallery.execute("CREATE ROLE app LOGIN", "GRANT ALL ON SCHEMA public TO app")
    gallery.execute(*(f"ALTER TABLE {name} OWNER TO app" for name in erasing.TABLES))
    # A role without privileges sees little of other roles' sessions.
    limited = Database(gallery.postgres.url.replace("postgres@", "app@"), connections=2)
    with closing(limited):
        for seeing in (reader, writer_in_another_database, analysis_by_autovacuum):
            with seeing(gallery):
                gallery.delete_ann()
                gallery.execute("SELECT pg_current_xact_id()")
                for database in (gallery.database, limited):
                    done = erasing.erase(database, everything=True)
                    assert done
                    assert done.tables == []
                    assert done.remaining == [
                        "everything: a transaction that began before the deletion is still open"
                    ]
    done = erasing.erase(gallery.database, everything=True)
    assert done
    assert done.remaining == []
    assert not any(gallery.found().values())


def test_statistics_that_a_transaction_still_sees_are_erased_later(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.delete_ann()
    monkeypatch.setattr("facedex.store.rewriting._OLD_TRANSACTIONS", 0.2)
    with ExitStack() as opened:

        def read_meanwhile(step: str) -> None:
            if step == "replacing the planner's statistics":
                opened.enter_context(reader(gallery))

        done = erasing.erase(gallery.database, everything=True, report=read_meanwhile)
    assert done
    assert done.remaining == [
        "the planner's statistics: a transaction that began before the deletion is still open"
    ]
    assert any(gallery.found().values())
    assert erasing.erase(gallery.database)  # all tables are still pending
    assert not any(gallery.found().values())


def test_a_table_in_use_is_reported_and_stays_pending(gallery: Gallery) -> None:
    erasing.erase(gallery.database, everything=True)
    gallery.delete_ann()
    eventually(lambda: pending(gallery) == {"collections", "faces", "users"})
    with psycopg.connect(gallery.postgres.url) as reader:
        reader.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        done = erasing.erase(gallery.database, lock_seconds=0.2)
        assert done
        assert done.remaining == ["the table users, which requests are using"]
    assert pending(gallery) == {"users"}


def test_a_table_above_the_limit_or_without_room_is_reported(gallery: Gallery) -> None:
    gallery.delete_ann()
    done = erasing.erase(gallery.database, everything=True, largest=50_000)
    assert done
    (remaining,) = done.remaining
    assert remaining.startswith("the table faces (0 MiB), which would take too long")
    done = erasing.erase(gallery.database, everything=True, room=lambda: 50_000)
    assert done
    assert [each.partition(":")[0] for each in done.remaining] == [
        "the table faces",
        "the write-ahead log",
    ]
    assert "needs 1 MiB of free disk space" in done.remaining[0]


def test_a_role_without_privileges_erases_its_tables_and_names_the_rest(gallery: Gallery) -> None:
    gallery.execute("CREATE ROLE app LOGIN", "GRANT ALL ON SCHEMA public TO app")
    gallery.execute(*(f"ALTER TABLE {name} OWNER TO app" for name in erasing.TABLES))
    gallery.execute("ALTER TABLE secrets OWNER TO postgres", "GRANT SELECT ON secrets TO app")
    gallery.delete_ann()
    limited = Database(gallery.postgres.url.replace("postgres@", "app@"))
    try:
        done = erasing.erase(limited, everything=True)
    finally:
        limited.close()
    assert done
    assert done.remaining == [
        "the table secrets, which belongs to another role of the database",
        "the planner's statistics (pg_statistic), which only a superuser of the database can"
        " remove",
        "the write-ahead log, which only a superuser of the database can replace",
    ]


def test_a_server_that_reuses_log_files_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Postgres.start.__globals__["OPTIONS"], "wal_recycle", "on")
    postgres = Postgres(tmp_path)
    database = Database(postgres.start())
    schema.migrate(database)
    try:
        done = erasing.erase(database, everything=True)
    finally:
        database.close()
        postgres.stop()
    assert done
    assert done.remaining == [
        "the write-ahead log, whose files the server reuses with their old contents: set"
        " wal_recycle to off"
    ]


def test_log_files_that_an_earlier_release_recycled_are_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        for name, value in (("wal_recycle", "on"), ("min_wal_size", "160MB")):
            earlier.setitem(Postgres.start.__globals__["OPTIONS"], name, value)
        first = Postgres(tmp_path)
        with psycopg.connect(first.start(), autocommit=True) as connection:
            for _ in range(6):
                connection.execute(
                    "SELECT pg_logical_emit_message(false, 'x', repeat('ann-smith', 1000000))"
                )
            connection.execute("CHECKPOINT")
        first.stop()
    trace = {"ann": [b"ann-smithann-smith"]}
    assert len(places_of(tmp_path, trace)["ann"]) > 1
    second = Postgres(tmp_path)
    database = Database(second.start())
    schema.migrate(database)
    try:
        done = erasing.erase(database, everything=True)
        assert done
        assert done.remaining == []
        assert places_of(tmp_path, trace) == {"ann": []}
    finally:
        database.close()
        second.stop()
