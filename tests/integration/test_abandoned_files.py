"""Postgres leaves no copy of a table on the disk when it is killed while it writes one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from facedex.store import schema
from facedex.store.database import Database
from facedex_cli.commands import scrub
from facedex_local.postgres import abandoned
from facedex_local.postgres.cluster import Postgres
from tests.crashing import crash_while_writing, tables_with
from tests.e2e.streaming import until

NAME = "ann-at-the-door"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(server: Postgres) -> Iterator[Database]:
    with closing(Database(server.url, connections=1)) as database:
        schema.migrate(database)
        yield database


def remove(server: Postgres, database: Database, *, age: float) -> int:
    """Remove files as soon as no other transaction writes; Postgres has some of its own."""
    removed: list[int | None] = [None]

    def ended() -> bool:
        removed[0] = abandoned.remove(server.cluster, database, age=age)
        return removed[0] is not None

    until(ended)
    return removed[0] or 0


def test_the_copy_of_a_table_that_a_crash_left_is_removed(
    server: Postgres, database: Database
) -> None:
    crash_while_writing(server, NAME)
    assert tables_with(server, NAME)
    assert not remove(server, database, age=60)  # it has just been written
    assert remove(server, database, age=0)
    assert not tables_with(server, NAME)
    assert schema.migrate(database) == []
    assert not remove(server, database, age=0)


def test_scrub_removes_the_copy_of_a_table_that_a_crash_left(
    server: Postgres, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "_UNUSED", 0)
    crash_while_writing(server, NAME)
    database.close()
    server.stop()
    done = CliRunner().invoke(scrub.scrub, ["--data-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert not tables_with(server, NAME)


def test_a_table_whose_transaction_is_in_progress_stays(
    server: Postgres, database: Database
) -> None:
    with psycopg.connect(server.url) as writing:
        writing.execute("CREATE TABLE made AS SELECT generate_series(1, 5000) AS number")
        assert abandoned.remove(server.cluster, database, age=0) is None
        writing.commit()
        assert not remove(server, database, age=0)
        assert writing.execute("SELECT count(*) FROM made").fetchone() == (5000,)


def test_nothing_is_removed_from_the_copy_of_a_data_directory(
    server: Postgres, database: Database, tmp_path: Path
) -> None:
    copy = tmp_path / "copied"
    with database.autocommit() as connection:
        connection.execute("CHECKPOINT")
        shutil.copytree(server.cluster / "base", copy / "base")
        connection.execute("VACUUM (FULL) faces")  # its new files are not in the copy
    before = sorted(copy.rglob("*"))
    assert abandoned.remove(copy, database, age=0) is None
    assert sorted(copy.rglob("*")) == before
