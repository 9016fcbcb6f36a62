"""Guarantees for the tasks of video jobs, whatever workers do: each is done once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from facedex.store import jobs, tasks, timelines
from facedex.store.database import Database
from facedex.store.store_errors import LeaseLost
from facedex.store.tasks import Task
from facedex.workflows import heartbeat
from tests.e2e.streaming import until
from tests.integration.video_store import claim, expire_leases, planned, track


def test_task_delivered_many_times_at_once_has_one_worker(database: Database) -> None:
    job_id = planned(database, 1)
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: claim(database, job_id, 0), range(16)))
    assert sum(lease is not None for lease in leases) == 1


def test_tasks_of_dead_workers_can_be_claimed_at_once(database: Database) -> None:
    job_id = planned(database, 2)
    dead, alive = uuid4(), uuid4()
    with database.transaction() as connection:
        tasks.claim_messages(connection)
        lost = tasks.claim_lease(connection, Task(job_id, 0), worker=dead)
        kept = tasks.claim_lease(connection, Task(job_id, 1), worker=alive)
    assert lost is not None
    assert kept is not None
    with database.transaction() as connection:
        tasks.release_leases_of(connection, [dead, uuid4()])
        assert tasks.claim_messages(connection) == [Task(job_id, 0)]
        tasks.extend_lease(connection, kept)
    successor = claim(database, job_id, 0)
    assert successor is not None
    assert successor.attempts == 2
    with pytest.raises(LeaseLost), database.transaction() as connection:
        tasks.extend_lease(connection, lost)


def test_worker_whose_lease_expired_cannot_complete_its_task(database: Database) -> None:
    job_id = planned(database, 1)
    dead = claim(database, job_id, 0)
    assert dead is not None
    expire_leases(database, job_id)
    with database.transaction() as connection:
        assert tasks.claim_messages(connection) == [Task(job_id, 0)]
    alive = claim(database, job_id, 0)
    assert alive is not None
    assert alive.attempts == 2
    with pytest.raises(LeaseLost), database.transaction() as connection:
        tasks.extend_lease(connection, dead)

    def finish(lease: tasks.TaskLease) -> bool:
        with database.transaction() as connection:
            jobs.lock(connection, job_id)
            timelines.add_tracks(connection, job_id, 0, [track(0)])
            return tasks.complete_task(connection, lease)

    with pytest.raises(LeaseLost):
        finish(dead)
    assert finish(alive)
    with database.transaction() as connection:
        assert len(timelines.track_ends(connection, job_id)) == 1


def test_task_allows_more_vanished_workers_than_errors(database: Database) -> None:
    job_id = planned(database, 2)
    deaths = errors = 0
    while (lease := claim(database, job_id, 0)) and lease.attempts <= tasks.MAX_ATTEMPTS:
        deaths += 1
        expire_leases(database, job_id)
    while (lease := claim(database, job_id, 1)) and lease.attempts <= tasks.MAX_ATTEMPTS:
        errors += 1
        with database.transaction() as connection:
            tasks.release_lease(connection, lease)
    assert (deaths, errors) == (15, 5)


def test_heartbeat_extends_the_lease_of_a_task_and_reports_its_loss(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_VIDEO_INTERVAL", 0.05)
    job_id = planned(database, 1)
    lease = claim(database, job_id, 0)
    assert lease is not None
    expire_leases(database, job_id)

    def is_extended() -> bool:
        with database.reading() as connection:
            row = connection.execute(
                "SELECT leased_until > now() AS extended FROM video_tasks WHERE lease = %s",
                (lease.holder,),
            ).fetchone()
        return row is not None and bool(row.extended)

    def is_lost() -> bool:
        try:
            beat(0)
        except LeaseLost:
            return True
        return False

    assert not is_extended()
    with heartbeat.VideoHeartbeat(database, lease) as beat:
        until(is_extended)
        assert not is_lost()
        with database.transaction() as connection:
            connection.execute("UPDATE video_tasks SET lease = NULL")
        until(is_lost)


def test_exactly_one_of_many_workers_completes_the_last_task(database: Database) -> None:
    job_id = planned(database, 12)

    def work(number: int) -> bool:
        lease = claim(database, job_id, number)
        assert lease is not None
        with database.transaction() as connection:
            jobs.lock(connection, job_id)
            return tasks.complete_task(connection, lease)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(12))) == 1


def test_task_with_a_worker_is_not_sent_again(database: Database) -> None:
    job_id = planned(database, 2)
    with database.transaction() as connection:
        assert tasks.claim_messages(connection) == [Task(job_id, 0), Task(job_id, 1)]
        assert tasks.claim_messages(connection) == []
    assert claim(database, job_id, 0)
    with database.transaction() as connection:
        tasks.resend_messages(connection)
        assert tasks.claim_messages(connection) == [Task(job_id, 1)]
