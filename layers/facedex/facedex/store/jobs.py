"""Jobs on stored video: started once, ended once, announced, and forgotten when they expire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final

import orjson
from psycopg.types.json import Jsonb

from facedex.store.database import Connection
from facedex.store.errors import JobNotFound, RequestMismatch, TooManyJobs

PLANNING: Final = -1  # the task that plans a job; every other is a segment's number

# Seconds for which one process has a notification to itself, and after how many tries it is given
# up: the waits between them double, so that the last comes after about half a day.
_ANNOUNCING: Final = 60
_MOST_TRIES: Final = 10

# Jobs removed in one transaction; each may have hundreds of thousands of sightings.
_BATCH: Final = 10


@dataclass(frozen=True, slots=True)
class VideoObject:
    """A stored video: where it is, and which of all that may have been there.

    Attributes:
        size: bytes.
    """

    bucket: str
    name: str
    version: str | None
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Gallery:
    """What a job searches: a collection for life, and from which similarity on (0..100)."""

    collection_key: int
    collection_id: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Attributes:
        operation: name of the operation that starts it.
        gallery: None for a job that searches nothing.
        model_version: of the pack that is to do all of it.
        topic_arn: where its end is announced, if anywhere.
    """

    operation: str
    video: VideoObject
    gallery: Gallery | None
    model_version: str
    topic_arn: str | None
    job_tag: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it is.

    Attributes:
        status: IN_PROGRESS, SUCCEEDED or FAILED.
        status_message: why it failed.
        film: what planning found out, as it was stored.
        rate: frames a second that are looked at; known once it is planned.
        finished_at: None while it runs.
    """

    job_id: str
    order: Order
    status: str
    status_message: str | None
    film: dict[str, Any] | None
    rate: float | None
    finished_at: datetime | None


def earlier(
    connection: Connection, operation: str, token: str | None, request: Mapping[str, Any]
) -> str | None:
    """The job that a request with this token has started before, if there is one.

    Raises:
        RequestMismatch: the token came with another request.
    """
    if token is None:
        return None
    row = connection.execute(
        "SELECT job_id, request_digest FROM video_jobs WHERE operation = %s AND request_token = %s",
        (operation, token),
    ).fetchone()
    if row is None:
        return None
    if bytes(row.request_digest) != _digest(request):
        raise RequestMismatch(
            "The ClientRequestToken was used before with other parameters; use a new one"
        )
    found: str = row.job_id
    return found


def start(
    connection: Connection,
    order: Order,
    *,
    token: str | None,
    request: Mapping[str, Any],
    limit: int,
    days: int,
) -> str:
    """Write down a new job, with the task of planning it, and return its id.

    A twin of the request, by its token, gets the same id however close it comes.

    Args:
        token: the request's own, or None.
        request: what has to be the same when the token is.
        limit: jobs that may be under way, this one included.
        days: for which it is kept, from now on.

    Raises:
        TooManyJobs: there are as many already.
        RequestMismatch: the token came with another request before.
    """
    running = connection.execute(
        "SELECT count(*) AS jobs FROM video_jobs WHERE status = 'IN_PROGRESS'"
    ).fetchone()
    if running is not None and running.jobs >= limit:
        raise TooManyJobs(
            f"There are {running.jobs} video jobs under way, and at most {limit} are allowed; start"
            " this one when another has ended"
        )
    video, gallery = order.video, order.gallery
    row = connection.execute(
        "INSERT INTO video_jobs (job_id, operation, bucket, object_name, object_version, etag,"
        " size, collection_key, collection_id, threshold, model_version, topic_arn, job_tag,"
        " request_token, request_digest, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " now() + make_interval(days => %s))"
        " ON CONFLICT (operation, request_token) WHERE request_token IS NOT NULL DO NOTHING"
        " RETURNING job_id",
        (
            token_hex(32),
            order.operation,
            video.bucket,
            video.name,
            video.version,
            video.etag,
            video.size,
            gallery and gallery.collection_key,
            gallery and gallery.collection_id,
            gallery and gallery.threshold,
            order.model_version,
            order.topic_arn,
            order.job_tag,
            token,
            token and _digest(request),
            days,
        ),
    ).fetchone()
    if row is None:
        twin = earlier(connection, order.operation, token, request)
        assert twin is not None
        return twin
    connection.execute(
        "INSERT INTO video_tasks (job_id, task, starts, ends) VALUES (%s, %s, 0, 0)",
        (row.job_id, PLANNING),
    )
    job_id: str = row.job_id
    return job_id


def find(connection: Connection, job_id: str, operation: str | None = None) -> Job:
    """The job of that id.

    Args:
        operation: what must have started it.

    Raises:
        JobNotFound: there is none, it has expired, or another operation started it.
    """
    row = connection.execute(
        "SELECT * FROM video_jobs WHERE job_id = %s AND expires_at > now()"
        " AND operation = coalesce(%s, operation)",
        (job_id, operation),
    ).fetchone()
    if row is None:
        raise JobNotFound(
            f"There is no job {job_id}"
            + (f" of {operation}" if operation else "")
            + "; results are kept for a limited time."
        )
    return _job(row)


def lock(connection: Connection, job_id: str) -> bool:
    """Hold off everybody else's changes of a running job; False if it is over or gone."""
    row = connection.execute(
        "SELECT 1 FROM video_jobs WHERE job_id = %s AND status = 'IN_PROGRESS' FOR UPDATE",
        (job_id,),
    ).fetchone()
    return row is not None


def end(connection: Connection, job_id: str, *, failure: str | None = None) -> bool:
    """End a running job, by a sentence if it failed; what only its work needed is removed.

    Returns:
        Whether it was running: a job ends once.
    """
    ended = connection.execute(
        "UPDATE video_jobs SET status = %s, status_message = %s, finished_at = now(),"
        " notify_after = now() WHERE job_id = %s AND status = 'IN_PROGRESS'",
        ("FAILED" if failure else "SUCCEEDED", failure, job_id),
    ).rowcount
    if ended:
        for table in ("video_tracks", "video_tasks"):
            connection.execute(f"DELETE FROM {table} WHERE job_id = %s", (job_id,))
    return ended == 1


def fail_stalled(connection: Connection, *, seconds: int) -> list[str]:
    """End the jobs with which nobody has got on for that long, and return their ids.

    A job that waits its turn while workers are busy with others is not stalled, unless it has
    waited 24 times as long.
    """
    rows = connection.execute(
        """
        SELECT job_id FROM video_jobs AS job
        WHERE status = 'IN_PROGRESS'
            AND progressed_at < now() - make_interval(secs => %(seconds)s)
            AND (
                created_at < now() - make_interval(secs => 24 * %(seconds)s)
                OR NOT EXISTS (
                    SELECT FROM video_jobs AS other
                    WHERE other.status = 'IN_PROGRESS'
                        AND other.progressed_at > other.created_at
                        AND other.progressed_at >= now() - make_interval(secs => %(seconds)s)
                )
            )
        FOR UPDATE SKIP LOCKED
        """,
        {"seconds": seconds},
    ).fetchall()
    failure = f"The job made no progress for {seconds} seconds and was given up; start it again."
    return [row.job_id for row in rows if end(connection, row.job_id, failure=failure)]


def claim_announcement(connection: Connection, job_id: str | None = None) -> Job | None:
    """A finished job whose notification is due, for this process alone to publish, or None.

    Should the process die, the notification is due again a minute later.

    Args:
        job_id: the only job that will do.
    """
    row = connection.execute(
        """
        UPDATE video_jobs SET
            notify_tries = notify_tries + 1,
            notify_after = now() + %(wait)s * power(2, notify_tries) * interval '1 second'
        WHERE job_id = (
            SELECT job_id FROM video_jobs
            WHERE finished_at IS NOT NULL AND notified_at IS NULL AND topic_arn IS NOT NULL
                AND notify_after <= now() AND notify_tries < %(most)s
                AND job_id = coalesce(%(job)s, job_id)
            ORDER BY notify_after LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING *
        """,
        {"wait": _ANNOUNCING, "most": _MOST_TRIES, "job": job_id},
    ).fetchone()
    return _job(row) if row else None


def mark_announced(connection: Connection, job_id: str) -> None:
    """Note that a job's notification was published."""
    connection.execute("UPDATE video_jobs SET notified_at = now() WHERE job_id = %s", (job_id,))


def expire(connection: Connection) -> int:
    """Remove some jobs whose time is over, results and all; how many."""
    return connection.execute(
        "DELETE FROM video_jobs WHERE job_id IN (SELECT job_id FROM video_jobs"
        f" WHERE expires_at <= now() ORDER BY expires_at LIMIT {_BATCH} FOR UPDATE SKIP LOCKED)"
    ).rowcount


def plan(connection: Connection, job_id: str, film: Mapping[str, Any], rate: float) -> None:
    """Keep what planning found out about a job's film."""
    connection.execute(
        "UPDATE video_jobs SET film = %s, rate = %s, progressed_at = now() WHERE job_id = %s",
        (Jsonb(dict(film), dumps=orjson.dumps), rate, job_id),
    )


def _digest(request: Mapping[str, Any]) -> bytes:
    return sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).digest()


def _job(row: Any) -> Job:
    gallery = (
        None
        if row.collection_key is None
        else Gallery(row.collection_key, row.collection_id, row.threshold)
    )
    video = VideoObject(row.bucket, row.object_name, row.object_version, row.etag, row.size)
    order = Order(row.operation, video, gallery, row.model_version, row.topic_arn, row.job_tag)
    return Job(
        row.job_id,
        order,
        row.status,
        row.status_message,
        row.film,
        row.rate,
        row.finished_at,
    )
