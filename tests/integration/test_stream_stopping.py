"""Stream processors that are stopped or deleted, with and without a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from facedex.store import active_streams, stream_processors, stream_runs
from facedex.store.database import Database
from facedex.store.store_errors import LeaseLost, StreamProcessorInUse, StreamProcessorNotFound
from facedex.store.stream_runs import RunLease
from tests.integration.stream_store import (
    age,
    beat,
    change,
    checkpoint,
    create,
    due,
    end_impossible_runs,
    find,
    gallery,
    start,
    status,
    take,
    taken,
)

__all__ = ["gallery"]


def test_processor_is_stopping_until_its_worker_releases_the_lease(database: Database) -> None:
    key = create(database).key
    start(database)
    lease = taken(database, key)
    change(database, stream_processors.stop)
    assert status(database) == "STOPPING"
    stopping_since = find(database).updated_at
    change(database, stream_processors.stop)
    assert find(database).updated_at == stopping_since
    assert beat(database, lease) == "STOPPING"
    with database.transaction() as connection:
        stream_runs.release_lease(connection, lease)
    assert status(database) == "STOPPED"
    assert due(database) == []
    assert take(database, key) is None


@pytest.mark.parametrize("state", ["STARTING", "RUNNING"])
def test_processor_without_a_worker_stops_at_once(database: Database, state: str) -> None:
    key = create(database).key
    start(database)
    if state == "RUNNING":
        taken(database, key)
        age(database)
    change(database, stream_processors.stop)
    assert status(database) == "STOPPED"
    assert take(database, key) is None


def test_stopping_processor_whose_worker_died_becomes_stopped(database: Database) -> None:
    key = create(database).key
    start(database)
    dead = taken(database, key)
    change(database, stream_processors.stop)
    age(database)
    assert status(database) == "STOPPED"
    assert due(database) == []
    assert take(database, key) is None
    end_impossible_runs(database)
    with pytest.raises(LeaseLost):
        beat(database, dead)
    with database.transaction() as connection:
        assert active_streams.count_active(connection) == 0


def test_inactive_processor_cannot_be_stopped(database: Database) -> None:
    create(database)
    with pytest.raises(StreamProcessorInUse, match="STOPPED"):
        change(database, stream_processors.stop)


def test_processor_with_a_worker_cannot_be_deleted(database: Database) -> None:
    key = create(database).key
    start(database)
    taken(database, key)
    with pytest.raises(StreamProcessorInUse, match="RUNNING"):
        change(database, stream_processors.delete)
    age(database)
    change(database, stream_processors.stop)
    change(database, stream_processors.delete)
    assert take(database, key) is None
    assert rows(database) == 0


def deleted_while_stopping(database: Database) -> RunLease:
    key = create(database).key
    start(database)
    lease = taken(database, key)
    change(database, stream_processors.stop)
    change(database, stream_processors.delete)
    return lease


def rows(database: Database) -> int:
    with database.transaction() as connection:
        row = connection.execute("SELECT count(*) AS number FROM stream_processors").fetchone()
    assert row is not None
    return int(row.number)


def test_stopping_processor_disappears_when_it_is_deleted_but_its_worker_can_finish(
    database: Database,
) -> None:
    lease = deleted_while_stopping(database)
    with pytest.raises(StreamProcessorNotFound):
        find(database)
    with database.transaction() as connection:
        assert stream_processors.page(connection, after=0, limit=10) == []
    assert beat(database, lease) == "STOPPING"
    with database.transaction() as connection:
        stream_runs.release_lease(connection, lease, checkpoint(3))
    assert rows(database) == 0


@pytest.mark.parametrize("end", [stream_runs.fail_run, stream_runs.retry_later])
def test_deleted_processor_is_removed_when_its_worker_fails(
    database: Database, end: Callable[[Any, RunLease, str], None]
) -> None:
    lease = deleted_while_stopping(database)
    with database.transaction() as connection:
        end(connection, lease, "The stream is gone.")
    assert rows(database) == 0


def test_deleted_processor_is_removed_by_the_sweep_when_its_worker_died(
    database: Database,
) -> None:
    lease = deleted_while_stopping(database)
    end_impossible_runs(database)
    assert rows(database) == 1
    age(database)
    assert end_impossible_runs(database) == []
    assert rows(database) == 0
    with pytest.raises(LeaseLost):
        beat(database, lease)


def test_name_of_a_deleted_processor_is_free_while_its_worker_finishes(
    database: Database,
) -> None:
    lease = deleted_while_stopping(database)
    successor = create(database, limit=1)
    start(database)
    assert taken(database, successor.key).processor.name == "door"
    change(database, stream_processors.stop)
    change(database, stream_processors.delete)
    assert rows(database) == 2
    with database.transaction() as connection:
        stream_runs.release_lease(connection, lease)
    assert rows(database) == 1


def test_started_processor_without_a_worker_can_be_deleted(database: Database) -> None:
    key = create(database).key
    start(database)
    change(database, stream_processors.delete)
    assert due(database) == []
    assert take(database, key) is None
