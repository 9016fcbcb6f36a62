"""Jobs on stored video, and the changes of their states: a job ends only once.

They are started in :mod:`facedex.store.job_starts`, and removed in
:mod:`facedex.store.job_cleanup`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from psycopg.types.json import Jsonb

from facedex.store.database import Connection
from facedex.store.store_errors import JobNotFound

PLANNING: Final = -1  # number of the task that plans a job; other tasks are numbered by segment

# What job_from_row reads. Not all columns: a prepared statement fails once a migration of the next
# release has added one, while other servers still run this release.
COLUMNS: Final = (
    "job_id, operation, bucket, object_name, object_version, etag, size, collection_key,"
    " collection_id, threshold, model_version, topic_arn, job_tag, attributes, status,"
    " status_message, film, rate, finished_at, restarts"
)


@dataclass(frozen=True, slots=True)
class VideoObject:
    """A stored video: the S3 object, in one of its versions.

    Attributes:
        version: S3's version id, if the caller named one.
        etag: S3's entity tag, which changes with the content.
        size: in bytes.
    """

    bucket: str
    name: str
    version: str | None
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Gallery:
    """The collection that a job searches, and the minimum similarity of a match.

    Attributes:
        collection_key: the store's key; never reused, even if the name is.
        threshold: 0 to 100.
    """

    collection_key: int
    collection_id: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Order:
    """The definition of a job.

    Attributes:
        operation: name of the operation that starts the job.
        gallery: the searched collection; None for a job that searches none.
        model_version: model version of the pack that analyses the film.
        topic_arn: the SNS topic for the notification of its end, if any.
        attributes: whether all attributes of the faces are measured.
    """

    operation: str
    video: VideoObject
    gallery: Gallery | None
    model_version: str
    topic_arn: str | None
    job_tag: str | None
    attributes: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job and its state.

    Attributes:
        status: IN_PROGRESS, SUCCEEDED or FAILED.
        status_message: reason for its failure, or what it could not search.
        film: properties of the film; None until the job is planned.
        rate: analysed frames per second; None until the job is planned.
        finished_at: time of its end; None while it runs.
        restarts: number of restarts because its collection changed to another model.
    """

    job_id: str
    order: Order
    status: str
    status_message: str | None
    film: dict[str, Any] | None
    rate: float | None
    finished_at: datetime | None
    restarts: int = 0


def find(connection: Connection, job_id: str, operation: str | None = None) -> Job:
    """Return the job of that id.

    Args:
        connection: in a transaction or not.
        job_id: the job's id.
        operation: for a caller, who sees only the jobs of the connection's region: name of the
            operation that must have started it. A worker, which works for all regions, omits it.

    Raises:
        JobNotFound: if the job does not exist, has expired, or was started by another operation
            or in another region.
    """
    region = operation and connection.region
    row = connection.execute(
        f"SELECT {COLUMNS} FROM video_jobs WHERE job_id = %s AND expires_at > now()"
        " AND operation = coalesce(%s, operation) AND region = coalesce(%s, region)",
        (job_id, operation, region),
    ).fetchone()
    if row is None:
        raise JobNotFound(
            f"There is no job {job_id}"
            + (f" of {operation}" if operation else "")
            + "; results are kept for a limited time."
        )
    return job_from_row(row)


def lock(connection: Connection, job_id: str) -> bool:
    """Lock a running job against other changes; return False if it has ended or does not exist."""
    row = connection.execute(
        "SELECT 1 FROM video_jobs WHERE job_id = %s AND status = 'IN_PROGRESS' FOR UPDATE",
        (job_id,),
    ).fetchone()
    return row is not None


def end(
    connection: Connection, job_id: str, *, failure: str | None = None, remark: str | None = None
) -> bool:
    """End a running job, and remove the data that only its workers needed.

    Args:
        connection: in a transaction.
        job_id: the job's id.
        failure: reason of the failure, one sentence; None if it succeeded.
        remark: what a job that succeeded could not search, in sentences; None if nothing.

    Returns:
        True if it was running: a job ends only once.
    """
    ended = connection.execute(
        "UPDATE video_jobs SET status = %s, status_message = %s, finished_at = now(),"
        " notify_after = now() WHERE job_id = %s AND status = 'IN_PROGRESS'",
        ("FAILED" if failure else "SUCCEEDED", failure or remark, job_id),
    ).rowcount
    if ended:
        for table in ("video_tracks", "video_tasks"):
            connection.execute(f"DELETE FROM {table} WHERE job_id = %s", (job_id,))
    return ended == 1


def restart(connection: Connection, job: Job, model_version: str) -> bool:
    """Restart a running job with another model, and remove its tracks.

    Args:
        connection: in the transaction that makes its tasks due again.
        job: the job as the worker that could not continue had read it.
        model_version: model version of the pack that analyses the film now.

    Returns:
        False if the job has ended, or another worker has already restarted it.
    """
    restarted = connection.execute(
        "UPDATE video_jobs SET model_version = %s, restarts = restarts + 1, progressed_at = now()"
        " WHERE job_id = %s AND status = 'IN_PROGRESS' AND restarts = %s",
        (model_version, job.job_id, job.restarts),
    ).rowcount
    if restarted:
        connection.execute("DELETE FROM video_tracks WHERE job_id = %s", (job.job_id,))
    return restarted == 1


def store_plan(connection: Connection, job_id: str, film: Mapping[str, Any], rate: float) -> None:
    """Store the properties of a job's film and the rate at which it is analysed."""
    connection.execute(
        "UPDATE video_jobs SET film = %s, rate = %s, progressed_at = now() WHERE job_id = %s",
        (Jsonb(dict(film), dumps=orjson.dumps), rate, job_id),
    )


def job_from_row(row: Any) -> Job:
    """Return the job in a row with :data:`COLUMNS`."""
    gallery = (
        None
        if row.collection_key is None
        else Gallery(row.collection_key, row.collection_id, row.threshold)
    )
    video = VideoObject(row.bucket, row.object_name, row.object_version, row.etag, row.size)
    order = Order(
        row.operation,
        video,
        gallery,
        row.model_version,
        row.topic_arn,
        row.job_tag,
        row.attributes,
    )
    return Job(
        row.job_id,
        order,
        row.status,
        row.status_message,
        row.film,
        row.rate,
        row.finished_at,
        row.restarts,
    )
