"""Notifications of finished video jobs: each is due until one process has published it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from facedex.store.database import Connection
from facedex.store.jobs import COLUMNS, Job, job_from_row
from facedex.store.leases import EVERYWHERE, REACHABLE

# Seconds for which one process has exclusive use of a notification, and the number of tries. The
# waits between tries double, so that the last try is after about half a day.
_FIRST_WAIT: Final = 60
_MAX_TRIES: Final = 10


def claim_notification(
    connection: Connection, job_id: str | None = None, *, servers: Sequence[str] = EVERYWHERE
) -> Job | None:
    """Claim a due notification of a finished job, for this process to publish.

    If the process dies, the notification is due again a minute later.

    Args:
        connection: in a transaction.
        job_id: if given, only the notification of this job.
        servers: only of jobs of these servers, see ``Settings.servers``.

    Returns:
        The job, or None if no notification is due.
    """
    row = connection.execute(
        f"""
        UPDATE video_jobs SET
            notify_tries = notify_tries + 1,
            notify_after = now() + %(wait)s * power(2, notify_tries) * interval '1 second'
        WHERE job_id = (
            SELECT job_id FROM video_jobs
            WHERE finished_at IS NOT NULL AND notified_at IS NULL AND topic_arn IS NOT NULL
                AND notify_after <= now() AND notify_tries < %(most)s
                AND job_id = coalesce(%(job)s, job_id) AND {REACHABLE}
            ORDER BY notify_after LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING {COLUMNS}
        """,
        {"wait": _FIRST_WAIT, "most": _MAX_TRIES, "job": job_id, "servers": list(servers)},
    ).fetchone()
    return job_from_row(row) if row else None


def mark_published(connection: Connection, job_id: str) -> None:
    """Mark the notification of a job as published."""
    connection.execute("UPDATE video_jobs SET notified_at = now() WHERE job_id = %s", (job_id,))
