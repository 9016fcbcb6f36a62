"""The tasks of video jobs: each is done by one worker, however often its message is delivered.

A message only says where to look. Who does a task is decided here, by a lease that its worker
keeps extending; a worker that dies loses it, and the task's message is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from facedex.store.database import Connection
from facedex.store.errors import LeaseLost

LEASE: Final = 60  # seconds that a worker may be silent
MOST_ATTEMPTS: Final = 15
# Attempts that one counts for which ended in an error: of a worker that vanished, nobody knows
# whether the task was to blame.
ERROR: Final = 3

# Seconds after which a message that nobody took up is sent again; each time they double, since a
# long queue is likelier than a lost message.
_RESEND: Final = 300
_LARGEST_SEND: Final = 1000


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of a job.

    Attributes:
        number: the segment's, or ``jobs.PLANNING``.
    """

    job_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A task that a worker has for itself.

    Attributes:
        starts, ends: milliseconds of the film, the end exclusive.
        attempts: how often it has been taken up, this time included; those that ended in an error
            count ``ERROR`` times.
    """

    task: Task
    holder: UUID
    starts: int
    ends: int
    attempts: int


def take(connection: Connection, task: Task, *, worker: UUID | None = None) -> Lease | None:
    """The task for this worker, or None if it is done, another's, or its job is over.

    Args:
        worker: who it is, for ``free``; it has a task at a time.
    """
    holder = worker or uuid4()
    row = connection.execute(
        f"""
        UPDATE video_tasks SET lease = %s, attempts = attempts + 1,
            leased_until = now() + interval '{LEASE} seconds',
            send_after = now() + interval '{LEASE} seconds'
        WHERE (job_id, task) = (
            SELECT job_id, task FROM video_tasks JOIN video_jobs USING (job_id)
            WHERE job_id = %s AND task = %s AND status = 'IN_PROGRESS' AND done_at IS NULL
                AND (leased_until IS NULL OR leased_until <= now())
            FOR UPDATE OF video_tasks SKIP LOCKED
        )
        RETURNING starts, ends, attempts
        """,
        (holder, task.job_id, task.number),
    ).fetchone()
    return Lease(task, holder, row.starts, row.ends, row.attempts) if row else None


def extend(connection: Connection, lease: Lease) -> None:
    """Show that the worker is alive and getting on.

    Raises:
        LeaseLost: the task is another's by now, or its job is over.
    """
    extended = connection.execute(
        f"UPDATE video_tasks SET leased_until = now() + interval '{LEASE} seconds',"
        f" send_after = now() + interval '{LEASE} seconds'"
        " WHERE job_id = %s AND task = %s AND lease = %s AND done_at IS NULL",
        (lease.task.job_id, lease.task.number, lease.holder),
    ).rowcount
    if not extended:
        raise LeaseLost("Another worker has the task, or its job is over.")
    # Workers of one job do not wait for each other over this.
    connection.execute(
        "UPDATE video_jobs SET progressed_at = now() WHERE job_id ="
        " (SELECT job_id FROM video_jobs WHERE job_id = %s FOR UPDATE SKIP LOCKED)",
        (lease.task.job_id,),
    )


def release(connection: Connection, lease: Lease) -> None:
    """Give the task back after an error, for the next that its message reaches."""
    connection.execute(
        "UPDATE video_tasks SET lease = NULL, leased_until = NULL,"
        f" attempts = attempts + {ERROR - 1}, send_after = now() + interval '{LEASE} seconds'"
        " WHERE job_id = %s AND task = %s AND lease = %s AND done_at IS NULL",
        (lease.task.job_id, lease.task.number, lease.holder),
    )


def free(connection: Connection, workers: Sequence[UUID]) -> None:
    """Give back what these workers were at, as they are known to be dead, and send it again.

    A message that one had received, and not yet looked up, is lost as well. Nobody knows which,
    so all that nobody works on are sent again; one too many changes nothing.
    """
    connection.execute(
        "UPDATE video_tasks SET lease = NULL, leased_until = NULL"
        " WHERE lease = ANY(%s) AND done_at IS NULL",
        (list(workers),),
    )
    send_again(connection)


def complete(connection: Connection, lease: Lease) -> bool:
    """Note that the task is done; the job must be locked by this transaction.

    Returns:
        Whether it was the job's last.

    Raises:
        LeaseLost: the task is another's by now.
    """
    completed = connection.execute(
        "UPDATE video_tasks SET done_at = now(), lease = NULL"
        " WHERE job_id = %s AND task = %s AND lease = %s AND done_at IS NULL",
        (lease.task.job_id, lease.task.number, lease.holder),
    ).rowcount
    if not completed:
        raise LeaseLost("Another worker has the task.")
    connection.execute(
        "UPDATE video_jobs SET progressed_at = now() WHERE job_id = %s", (lease.task.job_id,)
    )
    left = connection.execute(
        "SELECT 1 FROM video_tasks WHERE job_id = %s AND done_at IS NULL LIMIT 1",
        (lease.task.job_id,),
    ).fetchone()
    return left is None


def add(connection: Connection, job_id: str, segments: Iterable[tuple[int, int, int]]) -> None:
    """Add the segments of a job: number, start, end (milliseconds)."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO video_tasks (job_id, task, starts, ends) VALUES (%s, %s, %s, %s)",
            [(job_id, *segment) for segment in segments],
        )


def claim_sends(connection: Connection, job_id: str | None = None) -> list[Task]:
    """The tasks whose messages are to be sent now, for this process to send.

    Those are new ones, those that a worker had and lost, and those that nobody took up for long.

    Args:
        job_id: the only job whose tasks are looked at.
    """
    rows = connection.execute(
        f"""
        UPDATE video_tasks AS task SET sends = least(task.sends + 1, 12),
            send_after = now() + {_RESEND} * power(2, least(task.sends, 8)) * interval '1 second'
        FROM (
            SELECT job_id, task FROM video_tasks
            WHERE done_at IS NULL AND send_after <= now()
                AND (leased_until IS NULL OR leased_until <= now())
                AND job_id = coalesce(%s, job_id)
            ORDER BY send_after LIMIT {_LARGEST_SEND} FOR UPDATE SKIP LOCKED
        ) AS due
        WHERE (task.job_id, task.task) = (due.job_id, due.task)
        RETURNING task.job_id, task.task
        """,
        (job_id,),
    ).fetchall()
    return sorted((Task(row.job_id, row.task) for row in rows), key=lambda task: task.number)


def send_again(connection: Connection, *, seconds: int = 0) -> None:
    """Have every message that nobody works on sent again, soon: they did not get to a worker."""
    connection.execute(
        "UPDATE video_tasks SET send_after ="
        " coalesce(leased_until, now()) + make_interval(secs => %s) WHERE done_at IS NULL",
        (seconds,),
    )


def counts(connection: Connection, job_id: str) -> tuple[int, int]:
    """How many segments of a running job are done, and how many there are."""
    row = connection.execute(
        "SELECT count(done_at) AS done, count(*) AS tasks FROM video_tasks"
        " WHERE job_id = %s AND task >= 0",
        (job_id,),
    ).fetchone()
    assert row is not None
    return row.done, row.tasks


def any_left(connection: Connection) -> bool:
    """Whether there is anything to do."""
    row = connection.execute("SELECT 1 FROM video_tasks WHERE done_at IS NULL LIMIT 1").fetchone()
    return row is not None
