"""Guarantees for video jobs, whatever workers do: each task is done once, each job ends once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from facedex.store import job_cleanup, job_notifications, jobs, tasks, timelines
from facedex.store.database import Database
from facedex.store.faces import StoredFace
from facedex.store.jobs import PLANNING, Gallery, Order, VideoObject
from facedex.store.store_errors import JobNotFound, LeaseLost, RequestMismatch, TooManyJobs
from facedex.store.tasks import Task
from facedex.store.timelines import SeenTrack, SimilarFace
from facedex.workflows import heartbeat
from tests.e2e.streaming import until

VIDEO = VideoObject("videos", "film.mp4", None, '"etag"', 1000)
TOPIC = "arn:aws:sns:us-east-1:123456789012:AmazonRekognitionDone"


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "operation": "StartFaceSearch",
        "video": VIDEO,
        "gallery": Gallery(7, "staff", 80.0),
        "model_version": "1.2",
        "topic_arn": TOPIC,
        "job_tag": "lobby",
    }
    return Order(**{**values, **changes})


def start(database: Database, token: str | None = None, limit: int = 100, **request: Any) -> str:
    with database.transaction() as connection:
        return jobs.start(connection, order(), token=token, request=request, limit=limit, days=7)


def planned(database: Database, count: int) -> str:
    """Start and plan a job with ``count`` segments of one second."""
    job_id = start(database)
    with database.transaction() as connection:
        lease = tasks.claim_lease(connection, Task(job_id, PLANNING))
        assert lease is not None
        assert jobs.lock(connection, job_id)
        tasks.add_segments(
            connection, job_id, ((n, 1000 * n, 1000 * n + 1000) for n in range(count))
        )
        assert not tasks.complete_task(connection, lease)
    return job_id


def claim(database: Database, job_id: str, number: int) -> tasks.TaskLease | None:
    with database.transaction() as connection:
        return tasks.claim_lease(connection, Task(job_id, number))


def expire_leases(database: Database, job_id: str) -> None:
    with database.transaction() as connection:
        connection.execute(
            "UPDATE video_tasks SET leased_until = now() - interval '1 second',"
            " send_after = now() WHERE job_id = %s AND lease IS NOT NULL",
            (job_id,),
        )


def status(database: Database, job_id: str) -> tuple[str, str | None]:
    with database.transaction() as connection:
        job = jobs.find(connection, job_id)
    return job.status, job.status_message


def track(*moments: int, matches: list[SimilarFace] | None = None, left: float = 0.5) -> SeenTrack:
    vector = np.zeros(4, np.float32).tobytes()
    faces = [[left, *map(float, range(1, 20))] for _ in moments]
    return SeenTrack(moments, faces, vector, 3, True, matches or [])


def face(number: int, similarity: float) -> SimilarFace:
    stored = StoredFace(UUID(int=number), uuid4(), f"face{number}", (0, 0, 1, 1), 99.0, None)
    return SimilarFace(stored, similarity)


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
