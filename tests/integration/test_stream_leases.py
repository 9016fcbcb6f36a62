"""Runs of stream processors: one worker at a time, and its successor after a lost lease."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from facedex.store import active_streams, stream_processors, stream_runs
from facedex.store.database import Database
from facedex.store.store_errors import LeaseLost, StreamProcessorInUse
from facedex.store.stream_runs import Checkpoint, RunLease
from tests.integration.stream_store import (
    age,
    beat,
    change,
    checkpoint,
    create,
    due,
    find,
    gallery,
    pass_time,
    start,
    status,
    take,
    taken,
)

__all__ = ["gallery"]


def test_started_processor_runs_when_a_worker_claims_it(database: Database) -> None:
    key = create(database).key
    run = start(database)
    assert status(database) == "STARTING"
    assert due(database) == [key]
    assert due(database) == []
    lease = taken(database, key)
    assert lease.run == run
    assert lease.processor == find(database)
    assert lease.processor.status == "RUNNING"
    assert (lease.checkpoint, lease.failures) == (None, 0)
    with database.transaction() as connection:
        assert active_streams.count_active(connection) == 1


@pytest.mark.parametrize("state", ["STARTING", "RUNNING", "STOPPING"])
def test_active_processor_cannot_be_started_again(database: Database, state: str) -> None:
    key = create(database).key
    run = start(database)
    if state != "STARTING":
        taken(database, key)
    if state == "STOPPING":
        change(database, stream_processors.stop)
    with pytest.raises(StreamProcessorInUse, match=state):
        start(database)
    with database.transaction() as connection:
        row = connection.execute("SELECT run, status FROM stream_processors").fetchone()
        assert row is not None
    assert (row.run, row.status) == (run, state)


def test_concurrent_starts_make_one_run(database: Database) -> None:
    create(database)

    def attempt(_: int) -> bool:
        try:
            start(database)
        except StreamProcessorInUse:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert len(due(database)) == 1


def test_only_one_of_many_concurrent_workers_gets_the_lease(database: Database) -> None:
    key = create(database).key
    start(database)
    for _ in range(5):
        together = Barrier(8)

        def attempt(_: int, together: Barrier = together) -> RunLease | None:
            together.wait()
            return take(database, key)

        with ThreadPoolExecutor(8) as pool:
            leases = [each for each in pool.map(attempt, range(8)) if each]
        assert len(leases) == 1
        assert beat(database, leases[0], checkpoint(1)) == "RUNNING"
        age(database)


def test_worker_whose_lease_expired_cannot_write_after_its_successor_claimed_it(
    database: Database,
) -> None:
    key = create(database).key
    start(database)
    sleeper = taken(database, key)
    beat(database, sleeper, checkpoint(7))
    assert due(database) == []
    age(database)
    assert due(database) == [key]
    successor = taken(database, key)
    assert successor.run == sleeper.run
    assert successor.checkpoint == checkpoint(7)
    assert successor.failures == 1
    with pytest.raises(LeaseLost):
        beat(database, sleeper, checkpoint(8))
    with database.transaction() as connection:
        stream_runs.release_lease(connection, sleeper, checkpoint(8))
        stream_runs.retry_later(connection, sleeper, "too late", checkpoint(8))
        stream_runs.fail_run(connection, sleeper, "too late")
    assert beat(database, successor) == "RUNNING"
    assert find(database).status_message is None
    with database.transaction() as connection:
        row = connection.execute("SELECT checkpoint FROM stream_processors").fetchone()
        assert row is not None
    assert Checkpoint(**row.checkpoint) == checkpoint(7)


def test_successor_of_a_released_run_is_due_at_once(database: Database) -> None:
    key = create(database).key
    start(database)
    first = taken(database, key)
    with database.transaction() as connection:
        stream_runs.release_lease(connection, first, checkpoint(3))
    assert status(database) == "RUNNING"
    assert due(database, key) == [key]
    second = taken(database, key)
    assert (second.run, second.checkpoint) == (first.run, checkpoint(3))
    assert second.failures == 0


def test_lost_message_is_sent_again(database: Database) -> None:
    key = create(database).key
    start(database)
    assert due(database) == [key]
    pass_time(database, 15)  # of thirty seconds
    assert due(database) == []
    pass_time(database, 16)
    assert due(database) == [key]
    pass_time(database, 31)
    assert due(database) == []
    with database.transaction() as connection:
        stream_runs.resend_messages(connection)
    assert due(database) == [key]


def test_new_run_does_not_start_at_the_checkpoint_of_the_last_one(database: Database) -> None:
    key = create(database).key
    first = start(database)
    with database.transaction() as connection:
        stream_runs.release_lease(connection, taken(database, key), checkpoint(3))
    change(database, stream_processors.stop)
    assert start(database) != first
    lease = taken(database, key)
    assert lease.checkpoint is None
    assert lease.started_at > lease.processor.created_at


def test_lease_expires_by_the_clock_of_the_database(database: Database) -> None:
    key = create(database).key
    start(database)
    dead = taken(database, key, 0.2)
    (expires,) = times(database, "leased_until")
    end = time.monotonic() + 60
    while (successor := take(database, key)) is None and time.monotonic() < end:
        time.sleep(0.02)
    assert successor is not None
    claimed, next_expires = times(database, "leased_at, leased_until")
    assert expires <= claimed < next_expires
    with pytest.raises(LeaseLost):
        beat(database, dead)


def times(database: Database, columns: str) -> tuple[Any, ...]:
    with database.reading() as connection:
        return tuple(
            connection.execute(f"SELECT {columns} FROM stream_processors").fetchone() or ()
        )
