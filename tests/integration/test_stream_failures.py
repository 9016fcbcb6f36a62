"""Stream processors that fail: retries, dead workers and deleted collections."""

from __future__ import annotations

import pytest

from facedex.store import collections, stream_processors, stream_runs
from facedex.store.database import Database
from facedex.store.store_errors import LeaseLost, StreamProcessorInUse
from facedex.store.stream_runs import MAX_FAILURES
from tests.integration.stream_store import (
    LEASE,
    MODEL,
    age,
    beat,
    change,
    checkpoint,
    create,
    due,
    end_impossible_runs,
    find,
    gallery,
    pass_time,
    start,
    status,
    take,
    taken,
)

__all__ = ["gallery"]


def test_failed_processor_keeps_its_reason_until_it_is_started_again(database: Database) -> None:
    key = create(database).key
    start(database)
    with database.transaction() as connection:
        stream_runs.fail_run(connection, taken(database, key), "The stream is gone.")
    failed = find(database)
    assert (failed.status, failed.status_message) == ("FAILED", "The stream is gone.")
    assert due(database) == []
    with pytest.raises(StreamProcessorInUse, match="FAILED"):
        change(database, stream_processors.stop)
    start(database)
    again = find(database)
    assert (again.status, again.status_message) == ("STARTING", None)


def test_failure_of_a_stopping_processor_leaves_it_stopped_with_the_reason(
    database: Database,
) -> None:
    key = create(database).key
    start(database)
    lease = taken(database, key)
    change(database, stream_processors.stop)
    with database.transaction() as connection:
        stream_runs.fail_run(connection, lease, "The stream is gone.")
    assert (status(database), find(database).status_message) == ("STOPPED", "The stream is gone.")


def test_retries_wait_longer_each_time_and_end_in_failure(database: Database) -> None:
    key = create(database).key
    start(database)
    waits = []
    for number in range(MAX_FAILURES):
        assert status(database) in ("STARTING", "RUNNING")
        lease = taken(database, key)
        assert lease.failures == number
        with database.transaction() as connection:
            stream_runs.retry_later(connection, lease, "The data stream does not answer.")
            row = connection.execute(
                "SELECT extract(epoch FROM send_after - now())::float AS wait, status"
                " FROM stream_processors"
            ).fetchone()
            assert row is not None
            # At the same time: the first waits are short.
            assert stream_runs.claim_messages(connection) == []
        waits.append(row.wait)
    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) == 60
    failed = find(database)
    assert (failed.status, failed.status_message) == ("FAILED", "The data stream does not answer.")


def test_data_stream_that_never_accepts_records_fails_its_processor(
    database: Database,
) -> None:
    """Each worker retries for a minute, and extends its lease all the time."""
    key = create(database).key
    start(database)
    for _ in range(MAX_FAILURES):
        lease = taken(database, key)
        for _ in range(4):
            pass_time(database, 20)
            assert beat(database, lease) == "RUNNING"
        with database.transaction() as connection:
            stream_runs.retry_later(connection, lease, "The data stream accepts no records.")
    assert status(database) == "FAILED"


def test_status_message_shows_what_a_worker_waits_for_until_it_makes_progress(
    database: Database,
) -> None:
    key = create(database).key
    start(database)
    lease = taken(database, key)
    with database.transaction() as connection:
        stream_runs.extend_lease(connection, lease, LEASE, trouble="The camera does not answer.")
    waiting = find(database)
    assert (waiting.status, waiting.status_message) == ("RUNNING", "The camera does not answer.")
    beat(database, lease)
    assert find(database).status_message is None
    with database.transaction() as connection:
        stream_runs.retry_later(connection, lease, "The data stream accepts no records.")
    waiting = find(database)
    assert (waiting.status, waiting.status_message) == (
        "RUNNING",
        "The data stream accepts no records.",
    )
    beat(database, taken(database, key))
    assert find(database).status_message is None


def test_progress_resets_the_count_of_failures(database: Database) -> None:
    key = create(database).key
    start(database)
    with database.transaction() as connection:
        stream_runs.retry_later(connection, taken(database, key), "x", checkpoint(1))
    with database.transaction() as connection:
        lease = stream_runs.claim_lease(connection, key, LEASE)
        assert lease is not None
        assert (lease.failures, lease.checkpoint) == (1, checkpoint(1))
    beat(database, lease, checkpoint(1))
    age(database)
    lease = taken(database, key)
    assert lease.failures == 2
    beat(database, lease, checkpoint(2))
    age(database)
    assert taken(database, key).failures == 1


def test_worker_that_survives_a_quiet_stream_resets_the_count_of_failures(
    database: Database,
) -> None:
    key = create(database).key
    start(database)
    for _ in range(2):
        beat(database, taken(database, key))
        age(database)
    lease = taken(database, key)
    assert lease.failures == 2
    for _ in range(10):
        pass_time(database, 20)
        beat(database, lease)
    age(database)
    assert taken(database, key).failures == 1


def test_stream_that_kills_every_worker_fails_its_processor(database: Database) -> None:
    key = create(database).key
    start(database)
    for _ in range(MAX_FAILURES):
        beat(database, taken(database, key))
        age(database)
        assert due(database) == [key]
    assert take(database, key) is None
    failed = find(database)
    assert failed.status == "FAILED"
    assert failed.status_message is not None
    assert str(MAX_FAILURES) in failed.status_message


def test_deleted_collection_fails_its_processor_with_the_reason(database: Database) -> None:
    key = create(database).key
    start(database)
    lease = taken(database, key)
    collections.delete(database, "staff")
    with database.transaction() as connection:
        # A new collection with the same name is another collection.
        collections.create(connection, "staff", MODEL)
    assert beat(database, lease, checkpoint(1)) == "FAILED"
    failed = find(database)
    assert (failed.status, failed.status_message) == (
        "FAILED",
        "The collection staff was deleted.",
    )
    with pytest.raises(LeaseLost):
        beat(database, lease)
    start(database)
    assert taken(database, key).processor.definition.collection_key != (
        lease.processor.definition.collection_key
    )


@pytest.mark.parametrize("is_taken", [True, False])
def test_sweep_fails_a_processor_whose_collection_was_deleted(
    database: Database, is_taken: bool
) -> None:
    key = create(database).key
    start(database)
    lease = take(database, key) if is_taken else None
    collections.delete(database, "staff")
    assert end_impossible_runs(database) == ["door"]
    assert end_impossible_runs(database) == []
    assert find(database).status_message == "The collection staff was deleted."
    if lease:
        with pytest.raises(LeaseLost):
            beat(database, lease)


def test_processor_whose_collection_was_deleted_cannot_be_claimed(database: Database) -> None:
    key = create(database).key
    start(database)
    collections.delete(database, "staff")
    assert take(database, key) is None
    assert status(database) == "FAILED"
