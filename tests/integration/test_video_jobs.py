"""Guarantees for video jobs, whatever workers do: each ends once, with the best of its results."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from facedex.store import job_cleanup, job_notifications, jobs, tasks, timelines
from facedex.store.database import Database
from facedex.store.store_errors import JobNotFound, LeaseLost, RequestMismatch, TooManyJobs
from facedex.store.tasks import Task
from tests.integration.video_store import claim, face, planned, start, status, track


def test_repeated_token_returns_the_same_job(database: Database) -> None:
    first = start(database, "t", film="a")
    assert start(database, "t", film="a") == first
    assert start(database, "u", film="a") != first
    with pytest.raises(RequestMismatch):
        start(database, "t", film="b")


def test_concurrent_requests_with_one_token_start_one_job(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        started = set(pool.map(lambda _: start(database, "t", film="a"), range(16)))
    assert len(started) == 1
    with database.transaction() as connection:
        assert len(tasks.claim_messages(connection)) == 1


def test_jobs_beyond_the_limit_are_refused_until_one_ends(database: Database) -> None:
    first = start(database, limit=2)
    start(database, limit=2)
    with pytest.raises(TooManyJobs):
        start(database, limit=2)
    with database.transaction() as connection:
        jobs.end(connection, first, failure="for the test")
    start(database, limit=2)


def test_job_is_restarted_by_one_of_its_workers_and_every_lease_is_lost(database: Database) -> None:
    job_id = planned(database, 3)
    finished, *running = [claim(database, job_id, number) for number in range(3)]
    assert finished
    with database.transaction() as connection:
        job = jobs.find(connection, job_id)
        jobs.lock(connection, job_id)
        timelines.add_tracks(connection, job_id, 0, [track(0)])
        tasks.complete_task(connection, finished)

    def restart(_: object) -> bool:
        with database.transaction() as connection:
            restarted = jobs.restart(connection, job, "901.1")
            if restarted:
                tasks.restart_segments(connection, job_id)
            return restarted

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(restart, running)) == 1
    for lease in running:
        assert lease
        with pytest.raises(LeaseLost), database.transaction() as connection:
            tasks.complete_task(connection, lease)
    with database.transaction() as connection:
        found = jobs.find(connection, job_id)
        assert (found.order.model_version, found.restarts) == ("901.1", 1)
        assert timelines.track_ends(connection, job_id) == []
        assert tasks.count_segments(connection, job_id) == (0, 3)
        due = tasks.claim_messages(connection, job_id)
    assert due == [Task(job_id, number) for number in range(3)]


def test_job_ends_once_and_its_tracks_and_tasks_are_removed(database: Database) -> None:
    job_id = planned(database, 1)
    with database.transaction() as connection:
        timelines.add_tracks(connection, job_id, 0, [track(0)])
        assert jobs.end(connection, job_id, failure="The video is not there any more.")
        assert not jobs.end(connection, job_id)
        assert not jobs.lock(connection, job_id)
        assert timelines.track_ends(connection, job_id) == []
    assert status(database, job_id) == ("FAILED", "The video is not there any more.")
    assert claim(database, job_id, 0) is None


def test_notification_is_claimed_by_one_process(database: Database) -> None:
    job_id = start(database)
    with database.transaction() as connection:
        assert job_notifications.claim_notification(connection) is None
        jobs.end(connection, job_id)

    def claim_notification(_: int) -> bool:
        with database.transaction() as connection:
            return job_notifications.claim_notification(connection) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim_notification, range(16))) == 1


def test_notification_is_due_again_until_it_is_marked_as_published(
    database: Database,
) -> None:
    job_id = start(database)

    def claim_notification() -> bool:
        with database.transaction() as connection:
            connection.execute("UPDATE video_jobs SET notify_after = now()")
            return job_notifications.claim_notification(connection, job_id) is not None

    with database.transaction() as connection:
        jobs.end(connection, job_id)
    assert claim_notification()
    assert claim_notification()
    with database.transaction() as connection:
        job_notifications.mark_published(connection, job_id)
    assert not claim_notification()


def test_stalled_job_fails_but_not_one_that_waits_for_busy_workers(
    database: Database,
) -> None:
    stalled, waiting, busy = start(database), start(database), start(database)

    def age(job_id: str, seconds: int) -> None:
        with database.transaction() as connection:
            connection.execute(
                "UPDATE video_jobs SET progressed_at = now() - make_interval(secs => %s),"
                " created_at = now() - interval '10 hours' WHERE job_id = %s",
                (seconds, job_id),
            )

    def give_up() -> list[str]:
        with database.transaction() as connection:
            return job_cleanup.fail_stalled(connection, seconds=3600)

    age(waiting, 7200)
    age(stalled, 7200)
    age(busy, 10)
    assert give_up() == []
    age(busy, 7200)
    assert set(give_up()) == {stalled, waiting, busy}
    assert "3600 seconds" in str(status(database, stalled)[1])


def test_expired_job_is_removed_with_its_results(database: Database) -> None:
    job_id = start(database)
    with database.transaction() as connection:
        timelines.add_tracks(connection, job_id, 0, [track(0, 200)])
        timelines.write(connection, job_id, [timelines.track_ends(connection, job_id)])
        jobs.end(connection, job_id)
        connection.execute("UPDATE video_jobs SET expires_at = now()")
    with pytest.raises(JobNotFound), database.transaction() as connection:
        jobs.find(connection, job_id)
    with database.transaction() as connection:
        assert job_cleanup.expire(connection) == 1
        for table in ("video_jobs", "video_persons", "video_sightings"):
            assert connection.execute(f"SELECT 1 FROM {table}").fetchone() is None


def test_matches_of_a_person_are_the_best_of_all_its_tracks(database: Database) -> None:
    job_id = start(database)
    with database.transaction() as connection:
        timelines.add_tracks(
            connection,
            job_id,
            0,
            [
                track(0, 200, matches=[face(1, 90.0), face(2, 85.0)], left=0.1),
                track(0, 200, left=0.2),
            ],
        )
        timelines.add_tracks(
            connection, job_id, 1, [track(400, matches=[face(2, 99.5), face(1, 81.0)], left=0.3)]
        )
        one, other, later = timelines.track_ends(connection, job_id)
        timelines.write(connection, job_id, [[one, later], [other]])
        found = timelines.matches(connection, job_id, [0, 1])
        seen = timelines.by_time(connection, job_id, after=0, limit=10)
        paged = timelines.by_person(connection, job_id, after=(0, seen[0].number), limit=2)
    assert [(match.face.external_image_id, match.similarity) for match in found[0]] == [
        ("face2", 99.5),
        ("face1", 90.0),
    ]
    assert found[1] == []
    assert [(each.moment, each.person, round(each.face[0], 3)) for each in seen] == [
        (0, 0, 0.1),
        (0, 1, 0.2),
        (200, 0, 0.1),
        (200, 1, 0.2),
        (400, 0, 0.3),
    ]
    assert all(list(each.face[1:]) == list(range(1, 20)) for each in seen)
    assert [(each.moment, each.person) for each in paged] == [(200, 0), (400, 0)]
