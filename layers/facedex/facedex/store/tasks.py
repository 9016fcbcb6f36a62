"""The tasks of video jobs: one worker does each, however often its message is delivered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from facedex.store.database import Connection
from facedex.store.leases import EVERYWHERE, FREE, REACHABLE, Lease, LeasedTable
from facedex.store.store_errors import LeaseLost

LEASE_SECONDS: Final = 60.0  # until a worker's lease expires without an extension
MAX_ATTEMPTS: Final = 15
# The number of attempts for which an attempt that ended in an error counts. One whose worker died
# counts only once, as the task may not be the cause.
ERROR_ATTEMPTS: Final = 3

_TABLE: Final = LeasedTable(
    "video_tasks", ("job_id", "task"), "done_at IS NULL", resend_seconds=300, doublings=8
)

_REACHABLE: Final = (
    f"EXISTS (SELECT FROM video_jobs WHERE video_jobs.job_id = video_tasks.job_id AND {REACHABLE})"
)


@dataclass(frozen=True, slots=True)
class Task:
    """A part of a job.

    Attributes:
        number: the segment's number, or ``jobs.PLANNING``.
    """

    job_id: str
    number: int


@dataclass(frozen=True, slots=True)
class TaskLease(Lease):
    """A worker's exclusive right to a task.

    Attributes:
        starts, ends: the segment in milliseconds of the film, the end exclusive.
        attempts: number of claims of the task, including this one; a claim that ended in an error
            counts ``ERROR_ATTEMPTS`` times.
    """

    task: Task
    starts: int
    ends: int
    attempts: int

    @property
    def is_last_error(self) -> bool:
        """Whether an error in this attempt ends the attempts at the task."""
        return self.attempts + ERROR_ATTEMPTS > MAX_ATTEMPTS


def claim_lease(
    connection: Connection, task: Task, *, worker: UUID | None = None
) -> TaskLease | None:
    """Claim a task; return None if it is done, another worker has it, or its job has ended.

    Args:
        connection: in a transaction.
        task: the task that a message names.
        worker: id of the worker, for ``release_leases_of``; it works on one task at a time.
    """
    claimed = _TABLE.claim(
        connection,
        {"job_id": task.job_id, "task": task.number},
        LEASE_SECONDS,
        holder=worker,
        changes="attempts = attempts + 1",
        condition="EXISTS (SELECT FROM video_jobs WHERE video_jobs.job_id = video_tasks.job_id"
        " AND status = 'IN_PROGRESS')",
        returning="starts, ends, attempts",
    )
    if claimed is None:
        return None
    lease, row = claimed
    return TaskLease(lease.key, lease.holder, task, row.starts, row.ends, row.attempts)


def extend_lease(connection: Connection, lease: TaskLease) -> None:
    """Extend a lease, and record that the job makes progress.

    Raises:
        LeaseLost: if another worker has the task, or its job is over.
    """
    _TABLE.extend(connection, lease, LEASE_SECONDS)
    # SKIP LOCKED, so that workers of one job do not wait for each other.
    connection.execute(
        "UPDATE video_jobs SET progressed_at = now() WHERE job_id ="
        " (SELECT job_id FROM video_jobs WHERE job_id = %s FOR UPDATE SKIP LOCKED)",
        (lease.task.job_id,),
    )


def release_lease(connection: Connection, lease: TaskLease) -> None:
    """Release a lease after an error, for the next worker that the task's message reaches."""
    _TABLE.write(
        connection,
        lease,
        f"{FREE}, attempts = attempts + {ERROR_ATTEMPTS - 1},"
        " send_after = now() + make_interval(secs => %(seconds)s)",
        {"seconds": LEASE_SECONDS},
    )


def release_leases_of(connection: Connection, workers: Sequence[UUID]) -> None:
    """Release the leases of workers that are known to be dead, and make all messages due again.

    A message that a dead worker had received but not yet used is lost too. It is unknown which one,
    so the messages of all tasks without a worker are sent again; a surplus message is harmless.
    """
    connection.execute(
        f"UPDATE video_tasks SET {FREE} WHERE lease = ANY(%s) AND done_at IS NULL",
        (list(workers),),
    )
    resend_messages(connection)


def release_all_leases(connection: Connection) -> None:
    """Release the leases of all tasks, when it is known that no worker is alive."""
    _TABLE.release_all(connection)


def complete_task(connection: Connection, lease: TaskLease, *, damaged: int = 0) -> bool:
    """Mark a task as done.

    Args:
        connection: in a transaction that has locked the job.
        lease: the task's lease.
        damaged: number of frames of the segment that could not be decoded.

    Returns:
        True if it was the job's last task.

    Raises:
        LeaseLost: if another worker has the task.
    """
    done = f"{FREE}, done_at = now(), damaged = %(damaged)s"
    if not _TABLE.write(connection, lease, done, {"damaged": damaged}):
        raise LeaseLost("Another worker has the task.")
    connection.execute(
        "UPDATE video_jobs SET progressed_at = now() WHERE job_id = %s", (lease.task.job_id,)
    )
    remaining = connection.execute(
        "SELECT 1 FROM video_tasks WHERE job_id = %s AND done_at IS NULL LIMIT 1",
        (lease.task.job_id,),
    ).fetchone()
    return remaining is None


def add_segments(
    connection: Connection, job_id: str, segments: Iterable[tuple[int, int, int]]
) -> None:
    """Add the tasks of a job's segments: number, start, end (milliseconds)."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO video_tasks (job_id, task, starts, ends) VALUES (%s, %s, %s, %s)",
            [(job_id, *segment) for segment in segments],
        )


def restart_segments(connection: Connection, job_id: str) -> None:
    """Make every task of a job due again, except planning that is done, and end their leases.

    Args:
        connection: in a transaction that has locked the job.
        job_id: the job's id.
    """
    connection.execute(
        f"UPDATE video_tasks SET {FREE}, done_at = NULL, attempts = 0, sends = 0,"
        " send_after = now() WHERE job_id = %s AND (task >= 0 OR done_at IS NULL)",
        (job_id,),
    )


def claim_messages(
    connection: Connection, job_id: str | None = None, *, servers: Sequence[str] = EVERYWHERE
) -> list[Task]:
    """Claim the due messages of tasks, for this process to send.

    Args:
        connection: in a transaction.
        job_id: if given, only the tasks of this job.
        servers: only of jobs of these servers, see ``Settings.servers``.
    """
    rows = _TABLE.claim_messages(
        connection,
        condition=f"job_id = coalesce(%(job)s, job_id) AND {_REACHABLE}",
        values={"job": job_id, "servers": list(servers)},
    )
    return sorted((Task(row.job_id, row.task) for row in rows), key=lambda task: task.number)


def resend_messages(connection: Connection, *, seconds: float = 0) -> None:
    """Make the messages of tasks due again after ``seconds``, as if they had been lost."""
    _TABLE.resend_messages(connection, seconds)


def count_segments(connection: Connection, job_id: str) -> tuple[int, int]:
    """Return the number of completed segments of a running job, and of all its segments."""
    row = connection.execute(
        "SELECT count(done_at) AS done, count(*) AS tasks FROM video_tasks"
        " WHERE job_id = %s AND task >= 0",
        (job_id,),
    ).fetchone()
    assert row is not None
    return row.done, row.tasks


def count_damaged(connection: Connection, job_id: str) -> int:
    """Return the number of frames of a job's film that could not be decoded."""
    row = connection.execute(
        "SELECT coalesce(sum(damaged), 0)::bigint AS frames FROM video_tasks WHERE job_id = %s",
        (job_id,),
    ).fetchone()
    assert row is not None
    frames: int = row.frames
    return frames


def any_unfinished(connection: Connection, *, servers: Sequence[str] = EVERYWHERE) -> bool:
    """Return whether any task of a job of these servers is unfinished."""
    row = connection.execute(
        f"SELECT 1 FROM video_tasks WHERE done_at IS NULL AND {_REACHABLE} LIMIT 1",
        {"servers": list(servers)},
    ).fetchone()
    return row is not None
