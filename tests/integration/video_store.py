"""Video jobs in the database, as their workers meet them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import numpy as np

from facedex.store import job_starts, jobs, tasks
from facedex.store.database import Database
from facedex.store.faces import StoredFace
from facedex.store.jobs import PLANNING, Gallery, Order, VideoObject
from facedex.store.tasks import Task
from facedex.store.timelines import SeenTrack, SimilarFace

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
        return job_starts.start(
            connection, order(), token=token, request=request, limit=limit, days=7
        )


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
