"""Cleanup of video jobs: jobs without progress fail, and expired ones are removed."""

from __future__ import annotations

from typing import Final

from facedex.store.database import Connection
from facedex.store.jobs import end

# Jobs removed in one transaction; each may have hundreds of thousands of sightings.
_BATCH: Final = 10


def fail_stalled(connection: Connection, *, seconds: int) -> list[str]:
    """End the jobs without progress for a number of seconds, and return their ids.

    A job that waits while the workers are busy with other jobs is not stalled, unless it has waited
    24 times as long. Jobs of a server that does not run any more wait for no other job.
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
                        AND other.server IS NOT DISTINCT FROM job.server
                        AND other.progressed_at > other.created_at
                        AND other.progressed_at >= now() - make_interval(secs => %(seconds)s)
                )
            )
        FOR UPDATE SKIP LOCKED
        """,
        {"seconds": seconds},
    ).fetchall()
    failure = f"The job made no progress for {seconds} seconds and was ended; start it again."
    return [row.job_id for row in rows if end(connection, row.job_id, failure=failure)]


def expire(connection: Connection) -> int:
    """Remove some expired jobs with their results; return their number."""
    return connection.execute(
        "DELETE FROM video_jobs WHERE job_id IN (SELECT job_id FROM video_jobs"
        f" WHERE expires_at <= now() ORDER BY expires_at LIMIT {_BATCH} FOR UPDATE SKIP LOCKED)"
    ).rowcount
