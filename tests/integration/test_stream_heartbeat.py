"""The heartbeat of a stream worker: extended leases, stop requests, and lost leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

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


@contextmanager
def database_outage(database_url: str, postgres: Postgres) -> Iterator[None]:
    """Make the database refuse connections while the block runs."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres.url, autocommit=True) as connection:

        def allow(answer: str) -> Any:
            return connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {answer}")

        allow("false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            yield
        finally:
            allow("true")


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
