"""The heartbeat of a stream worker: extended leases, stop requests, and lost leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic, sleep

import pytest

from facedex.store import collections, stream_processors, stream_runs
from facedex.store.database import Database
from facedex.store.store_errors import LeaseLost
from facedex.store.stream_runs import RunLease
from facedex.workflows import heartbeat
from facedex.workflows.heartbeat import StreamHeartbeat
from facedex_local.postgres.cluster import Postgres
from tests.e2e.streaming import until
from tests.integration.outage import database_outage
from tests.integration.streaming import begin_run

LEASE = 2.0


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "STREAM_LEASE_SECONDS", LEASE)
    monkeypatch.setattr(heartbeat, "_STREAM_INTERVAL", 0.1)


@pytest.fixture
def lease(database: Database) -> RunLease:
    return begin_run(database, LEASE)


@pytest.fixture
def beat(database: Database, lease: RunLease) -> Iterator[StreamHeartbeat]:
    with StreamHeartbeat(database, lease) as beat:
        yield beat


def status_message(database: Database) -> str | None:
    with database.reading() as connection:
        return stream_processors.find(connection, "door").status_message


def lost(beat: StreamHeartbeat) -> Callable[[], bool]:
    def look() -> bool:
        try:
            beat.report_progress()
        except LeaseLost:
            return True
        return False

    return look


def test_stop_request_reaches_worker_and_pending_records_may_be_written(
    database: Database, beat: StreamHeartbeat
) -> None:
    assert beat.report_progress()
    with database.transaction() as connection:
        stream_processors.stop(
            connection, stream_processors.find(connection, "door", for_update=True)
        )
    until(lambda: not beat.report_progress())
    assert beat.holds_lease


def test_worker_loses_its_lease_when_the_collection_is_deleted(
    database: Database, beat: StreamHeartbeat
) -> None:
    assert beat.report_progress()
    collections.delete(database, "staff")
    until(lost(beat))
    assert status_message(database) == "The collection staff was deleted."


def test_status_message_shows_each_trouble_until_it_is_over(
    database: Database, beat: StreamHeartbeat
) -> None:
    beat.set_trouble("source", "The camera does not answer.")
    beat.set_trouble("output", "The data stream accepts no records.")
    until(
        lambda: (
            status_message(database)
            == "The camera does not answer. The data stream accepts no records."
        )
    )
    beat.set_trouble("source", None)
    until(lambda: status_message(database) == "The data stream accepts no records.")
    beat.set_trouble("output", None)
    until(lambda: status_message(database) is None)


def test_short_database_outage_does_not_end_the_lease(
    database_url: str, postgres: Postgres, beat: StreamHeartbeat
) -> None:
    with database_outage(database_url, postgres):
        sleep(0.3)
    end = monotonic() + LEASE + 0.5
    while monotonic() < end:
        assert beat.report_progress()
        sleep(0.1)


def test_database_outage_longer_than_the_lease_ends_it(
    database_url: str, postgres: Postgres, beat: StreamHeartbeat
) -> None:
    assert beat.report_progress()
    with database_outage(database_url, postgres):
        until(lost(beat))
    assert not beat.holds_lease


def test_lease_that_expired_in_an_outage_does_not_come_back(
    database_url: str,
    postgres: Postgres,
    database: Database,
    lease: RunLease,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its writer has stopped by then, so a worker that continued would write no records."""
    # The lease expires in the middle of the second attempt to reach the database.
    monkeypatch.setattr(heartbeat, "STREAM_LEASE_SECONDS", 4.0)

    def extended() -> bool:
        with database.reading() as connection:
            row = connection.execute(
                "SELECT leased_until > now() AS extended FROM stream_processors"
            ).fetchone()
        return row is not None and bool(row.extended)

    with StreamHeartbeat(database, lease) as beat:
        until(extended)
        with database_outage(database_url, postgres):
            until(lambda: not beat.holds_lease)
        until(extended, 10)
        sleep(0.3)  # for the heartbeat's thread to continue
        assert not beat.holds_lease
        assert lost(beat)()


def test_work_without_progress_loses_its_lease_to_another_worker(
    database: Database, lease: RunLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_STREAM_PATIENCE", 0.3)

    def another_claims() -> bool:
        with database.transaction() as connection:
            return stream_runs.claim_lease(connection, lease.processor.key, LEASE) is not None

    with StreamHeartbeat(database, lease) as beat:
        assert not another_claims()
        until(another_claims)
        assert lost(beat)()
