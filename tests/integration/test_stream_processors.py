"""Guarantees for stream processors: one worker at a time, and recovery from dead workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from facedex.store import active_streams, collections, stream_processors, stream_runs, tags
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.store_errors import (
    LeaseLost,
    StreamProcessorInUse,
    StreamProcessorNotFound,
    TooManyStreamProcessors,
)
from facedex.store.stream_processors import Definition, StreamProcessor
from facedex.store.stream_runs import MAX_FAILURES, Checkpoint, RunLease

MODEL = "1.2"
LEASE = 30.0  # seconds


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint(f"{number:047}", f"{number:047}", 1_700_000_000.5 + number, None)


def create(
    database: Database, name: str = "door", *, collection: str = "staff", limit: int = 100
) -> StreamProcessor:
    with database.transaction() as connection:
        gallery = collections.find(connection, collection, for_update=True)
        definition = Definition(
            name,
            "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1",
            "arn:aws:kinesis:us-east-1:123456789012:stream/seen",
            "arn:aws:iam::123456789012:role/facedex",
            gallery.key,
            gallery.collection_id,
            80.0,
            None,
        )
        return stream_processors.create(connection, definition, limit=limit)


def find(database: Database, name: str = "door") -> StreamProcessor:
    with database.transaction() as connection:
        return stream_processors.find(connection, name)


def status(database: Database, name: str = "door") -> str:
    return find(database, name).status


def start(database: Database, name: str = "door") -> Any:
    with database.transaction() as connection:
        processor = stream_processors.find(connection, name, for_update=True)
        collection = collections.find(
            connection, processor.definition.collection_id, for_update=True
        )
        return stream_processors.start(connection, processor, collection)


def change(
    database: Database, act: Callable[[Any, StreamProcessor], None], name: str = "door"
) -> None:
    with database.transaction() as connection:
        act(connection, stream_processors.find(connection, name, for_update=True))


def take(database: Database, key: int, seconds: float = LEASE) -> RunLease | None:
    with database.transaction() as connection:
        return stream_runs.claim_lease(connection, key, seconds)


def taken(database: Database, key: int, seconds: float = LEASE) -> RunLease:
    lease = take(database, key, seconds)
    assert lease is not None
    return lease


def beat(database: Database, lease: RunLease, at: Checkpoint | None = None) -> str:
    with database.transaction() as connection:
        return stream_runs.extend_lease(connection, lease, LEASE, at)


def due(database: Database, key: int | None = None) -> list[int]:
    with database.transaction() as connection:
        return stream_runs.claim_messages(connection, key)


def end_impossible_runs(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [processor.name for processor in active_streams.end_impossible_runs(connection)]


def pass_time(database: Database, seconds: float) -> None:
    """Move all stored times into the past, so that everything is due that much earlier."""
    with database.transaction() as connection:
        connection.execute(
            "UPDATE stream_processors SET send_after = send_after - %(by)s,"
            " leased_at = leased_at - %(by)s, leased_until = leased_until - %(by)s",
            {"by": timedelta(seconds=seconds)},
        )


def age(database: Database, name: str = "door") -> None:
    pass_time(database, LEASE + 1)


@pytest.fixture(autouse=True)
def gallery(database: Database) -> Collection:
    with database.transaction() as connection:
        return collections.create(connection, "staff", MODEL)


def test_new_processor_is_stopped_and_has_no_worker(database: Database) -> None:
    made = create(database)
    assert made == find(database)
    assert (made.status, made.status_message) == ("STOPPED", None)
    assert made.created_at == made.updated_at
    assert due(database) == []
    assert take(database, made.key) is None
    with database.transaction() as connection:
        assert active_streams.count_active(connection) == 0


def test_name_is_taken_until_its_processor_is_deleted(database: Database) -> None:
    first = create(database)
    with pytest.raises(StreamProcessorInUse, match="door"):
        create(database)
    change(database, stream_processors.delete)
    with pytest.raises(StreamProcessorNotFound, match="door"):
        find(database)
    assert create(database).key != first.key


def test_concurrent_creations_do_not_exceed_the_limit(
    database: Database,
) -> None:
    def attempt(number: int) -> bool:
        try:
            create(database, f"door{number}", limit=3)
        except TooManyStreamProcessors:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(12))) == 3


def test_processors_are_listed_in_order_of_creation(database: Database) -> None:
    for name in ("c", "a", "b"):
        create(database, name)
    with database.transaction() as connection:
        first = stream_processors.page(connection, after=0, limit=2)
        rest = stream_processors.page(connection, after=first[-1].key, limit=2)
    assert [each.name for each in first + rest] == ["c", "a", "b"]


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
    pass_time(database, 29)
    assert due(database) == []
    pass_time(database, 2)
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
        waits.append(row.wait)
        assert due(database) == []
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


def test_lease_expires_by_the_clock_of_the_database(database: Database) -> None:
    key = create(database).key
    start(database)
    dead = taken(database, key, 0.2)
    assert take(database, key) is None
    end = time.monotonic() + 5
    while (successor := take(database, key)) is None and time.monotonic() < end:
        time.sleep(0.02)
    assert successor is not None
    with pytest.raises(LeaseLost):
        beat(database, dead)


def test_tags_of_a_processor_are_deleted_with_it_and_apart_from_those_of_collections(
    database: Database, gallery: Collection
) -> None:
    processor = create(database)
    with database.transaction() as connection:
        tags.put(connection, processor, {"site": "north", "team": "door"})
        tags.put(connection, gallery, {"site": "south"})
        tags.remove(connection, processor, ["team", "unknown"])
        assert tags.read(connection, processor) == {"site": "north"}
        assert tags.read(connection, gallery) == {"site": "south"}
    change(database, stream_processors.delete)
    with database.transaction() as connection:
        assert connection.execute("SELECT 1 FROM stream_processor_tags").fetchone() is None


def test_data_sharing_preference_is_stored_without_touching_the_run(database: Database) -> None:
    key = create(database).key
    start(database)
    lease = taken(database, key)
    change(database, lambda connection, it: stream_processors.share_data(connection, it, True))
    assert find(database).definition.data_sharing is True
    assert find(database).updated_at > lease.processor.updated_at
    assert beat(database, lease) == "RUNNING"
