"""The heartbeat of a stream worker: extended leases, stop requests, and lost leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from time import sleep, time

import psycopg
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

# Longer than a busy machine stops a process; SHORT is for the tests in which a lease is to expire.
LEASE, SHORT = 30.0, 3.0


@pytest.fixture(autouse=True)
def short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "STREAM_LEASE_SECONDS", LEASE)
    monkeypatch.setattr(heartbeat, "_STREAM_INTERVAL", 0.1)


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch, short_interval: None) -> None:
    monkeypatch.setattr(heartbeat, "STREAM_LEASE_SECONDS", SHORT)


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


def leased_until(database_url: str) -> float:
    """Return the time, in seconds since 1970, until which the processor is leased."""
    with psycopg.connect(database_url) as connection:
        query = "SELECT extract(epoch FROM leased_until) FROM stream_processors"
        ((end,),) = connection.execute(query).fetchall()
    return float(end)


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
    ends = [leased_until(database_url)]

    def extended() -> bool:
        end = leased_until(database_url)
        if end > ends[-1]:
            ends.append(end)
            assert beat.report_progress()
        return len(ends) > 3

    until(extended)


def test_database_outage_longer_than_the_lease_ends_it(
    short_lease: None, database_url: str, postgres: Postgres, beat: StreamHeartbeat
) -> None:
    assert beat.report_progress()
    with database_outage(database_url, postgres):
        until(lost(beat))
    assert not beat.holds_lease


def test_lease_that_expired_in_an_outage_does_not_come_back(
    short_lease: None, database_url: str, postgres: Postgres, lease: RunLease
) -> None:
    """Its writer has stopped by then, so a worker that continued would write no records."""
    # The attempt to reach the database begins before the lease expires, and succeeds later.
    with (
        closing(Database(database_url, patience=120.0)) as patient,
        StreamHeartbeat(patient, lease) as beat,
    ):
        first = leased_until(database_url)
        until(lambda: leased_until(database_url) != first)
        with database_outage(database_url, postgres):
            until(lambda: not beat.holds_lease)
        over = time()
        until(lambda: leased_until(database_url) > over + SHORT / 2)
        sleep(0.3)  # for the heartbeat's thread to continue
        assert not beat.holds_lease
        assert lost(beat)()


def test_work_without_progress_loses_its_lease_to_another_worker(
    short_lease: None, database: Database, lease: RunLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_STREAM_PATIENCE", 0.3)

    def another_claims() -> bool:
        with database.transaction() as connection:
            return stream_runs.claim_lease(connection, lease.processor.key, LEASE) is not None

    assert not another_claims()
    with StreamHeartbeat(database, lease) as beat:
        until(another_claims)
        assert lost(beat)()
