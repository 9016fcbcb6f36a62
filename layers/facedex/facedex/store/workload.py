"""Numbers about the work in the database, for metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facedex.store.database import Connection
from facedex.store.leases import UNLEASED


@dataclass(frozen=True, slots=True)
class Workload:
    """The work at one moment.

    Attributes:
        jobs: video jobs that are kept, by status.
        tasks: unfinished tasks of video jobs in progress: "waiting" and "in_work".
        stalled: longest time, in seconds, for which a job in progress has made none.
        processors: stream processors, by status.
        lag: seconds since the media that the running processor most behind has completed.
        deletions: deleted collections whose rows are not all removed yet.
    """

    jobs: Mapping[str, int]
    tasks: Mapping[str, int]
    stalled: float
    processors: Mapping[str, int]
    lag: float
    deletions: int


def read(connection: Connection) -> Workload:
    """Return the numbers now."""
    jobs = connection.execute(
        "SELECT status, count(*) AS number FROM video_jobs GROUP BY status"
    ).fetchall()
    processors = connection.execute(
        "SELECT status, count(*) AS number FROM stream_processors"
        " WHERE deleted_at IS NULL GROUP BY status"
    ).fetchall()
    work = _one(
        connection,
        f"""
        SELECT count(*) FILTER (WHERE {UNLEASED}) AS waiting,
            count(*) FILTER (WHERE NOT ({UNLEASED})) AS in_work
        FROM video_tasks JOIN video_jobs USING (job_id)
        WHERE done_at IS NULL AND status = 'IN_PROGRESS'
        """,
    )
    now = _one(
        connection,
        """
        SELECT
            (SELECT coalesce(extract(epoch FROM max(now() - progressed_at)), 0)::float8
             FROM video_jobs WHERE status = 'IN_PROGRESS') AS stalled,
            (SELECT coalesce(max(extract(epoch FROM now())
                - (checkpoint ->> 'server_timestamp')::float8), 0)::float8
             FROM stream_processors WHERE status = 'RUNNING') AS lag,
            (SELECT count(*) FROM collections WHERE deleted_at IS NOT NULL) AS deletions
        """,
    )
    return Workload(
        {row.status: row.number for row in jobs},
        {"waiting": work.waiting, "in_work": work.in_work},
        now.stalled,
        {row.status: row.number for row in processors},
        max(0.0, now.lag),
        now.deletions,
    )


def erasure_age(connection: Connection, tables: Sequence[str]) -> float:
    """Return the longest time, in seconds, since one of these tables was last erased."""
    row = _one(
        connection,
        "SELECT coalesce(extract(epoch FROM max(now() - erased_at)), 0)::float8 AS age"
        " FROM erasures WHERE table_name = ANY(%s)",
        list(tables),
    )
    age: float = row.age
    return max(0.0, age)


def _one(connection: Connection, query: str, *parameters: object) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    assert row is not None
    return row
