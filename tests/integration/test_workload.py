"""Numbers about the work in the database, for metrics."""

from __future__ import annotations

import time

import pytest

from facedex.store import collections, stream_runs, workload
from facedex.store.database import Database
from facedex.store.stream_runs import Checkpoint
from facedex.store.workload import Workload
from tests.integration import stream_store
from tests.integration.stream_store import LEASE, MODEL
from tests.integration.video_store import claim, planned, start


def read(database: Database) -> Workload:
    with database.reading() as connection:
        return workload.read(connection)


def test_an_empty_database_has_no_work(database: Database) -> None:
    assert read(database) == Workload({}, {"waiting": 0, "in_work": 0}, 0.0, {}, 0.0, 0)


def test_tasks_are_waiting_or_in_work(database: Database) -> None:
    job = planned(database, 3)
    claim(database, job, 0)
    start(database)  # its plan waits too
    found = read(database)
    assert found.jobs == {"IN_PROGRESS": 2}
    assert found.tasks == {"waiting": 3, "in_work": 1}
    assert 0 <= found.stalled < 60


def test_the_lag_is_that_of_the_running_processor_most_behind(database: Database) -> None:
    with database.transaction() as connection:
        collections.create(connection, "staff", MODEL)
    for name, age in (("door", 40.0), ("yard", 5.0), ("gate", None)):
        processor = stream_store.create(database, name)
        stream_store.start(database, name)
        reached = None if age is None else time.time() - age
        with database.transaction() as connection:
            lease = stream_runs.claim_lease(connection, processor.key, LEASE)
            assert lease is not None
            checkpoint = Checkpoint("1", "token", reached, None)
            stream_runs.extend_lease(connection, lease, LEASE, checkpoint)
    stream_store.create(database, "idle")
    found = read(database)
    assert found.processors == {"RUNNING": 3, "STOPPED": 1}
    assert found.lag == pytest.approx(40.0, abs=20.0)


def test_deleted_collections_count_until_their_rows_are_removed(database: Database) -> None:
    with database.transaction() as connection:
        collections.create(connection, "staff", MODEL)
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET deleted_at = now()")
    assert read(database).deletions == 1
    collections.sweep(database)
    assert read(database).deletions == 0


def test_the_age_of_an_erasure_is_that_of_the_tables_for_which_one_is_due(
    database: Database,
) -> None:
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO erasures (table_name, removed, erased_at)"
            " VALUES ('faces', 1, now() - interval '1 hour'), ('users', 1, now())"
        )
    with database.reading() as connection:
        assert workload.erasure_age(connection, ["faces", "users"]) == pytest.approx(3600, abs=60)
        assert workload.erasure_age(connection, ["users"]) < 60
        assert workload.erasure_age(connection, []) == 0
