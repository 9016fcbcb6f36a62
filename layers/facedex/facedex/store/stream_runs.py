"""The runs of stream processors: each has one worker at a time, and survives its workers.

A run is what lies between two starts of a processor. Its worker holds a lease (``store/leases.py``)
and stores a checkpoint with each extension. When the worker dies, its successor continues there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from facedex.store.active_streams import FREE, SEARCHABLE, end_impossible_runs
from facedex.store.database import Connection
from facedex.store.errors import LeaseLost
from facedex.store.leases import Lease, LeasedTable
from facedex.store.stream_processors import COLUMNS, StreamProcessor, from_row

# Workers in a row that ended without progress, after which a processor fails.
MAX_FAILURES: Final = 10

# Seconds after which a worker counts as making progress even if no media arrives: media that kill a
# worker do so at once. More than the minute for which a worker retries a data stream that accepts
# nothing, as those failures would otherwise never add up.
_STEADY: Final = 180

# Seconds until the next attempt after a failure. They double with failures in a row.
_RETRY: Final = 1
_LONGEST_RETRY: Final = 60

_TABLE: Final = LeasedTable(
    "stream_processors",
    ("processor_key",),
    "status IN ('STARTING', 'RUNNING')",
    resend_seconds=30,
    doublings=6,
)

# SQL: this failure is the last.
_LAST: Final = f"failures + 1 >= {MAX_FAILURES}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a run is: everything up to the end of this fragment is in the data stream.

    Attributes:
        fragment_number: the fragment's, as Kinesis Video Streams numbers it.
        continuation_token: from where GetMedia continues after it.
        server_timestamp, producer_timestamp: the fragment's, seconds since 1970.
    """

    fragment_number: str
    continuation_token: str
    server_timestamp: float | None
    producer_timestamp: float | None


@dataclass(frozen=True, slots=True)
class RunLease(Lease):
    """A run that a worker has for itself.

    Attributes:
        run: changes with every start of the processor.
        started_at: the time of that start.
        checkpoint: where to continue; None if no worker of the run has stored one.
        failures: workers in a row before this one that made no progress.
    """

    processor: StreamProcessor
    run: UUID
    started_at: datetime
    checkpoint: Checkpoint | None
    failures: int


def claim_lease(connection: Connection, key: int, seconds: float) -> RunLease | None:
    """Claim a processor for this worker, which makes it RUNNING.

    A processor that cannot run is ended instead: one that is to stop, whose collection was deleted,
    or on which ``MAX_FAILURES`` workers in a row have died.

    Args:
        connection: in a transaction.
        key: the processor's, from a message.
        seconds: until the lease expires.

    Returns:
        The lease, or None if there is no such processor, it is neither STARTING nor RUNNING, or
        another worker has it.
    """
    end_impossible_runs(connection, key)
    claimed = _TABLE.claim(
        connection,
        {"processor_key": key},
        seconds,
        # A lease that is still there was not released: its worker died.
        changes="updated_at = CASE WHEN status = 'STARTING' THEN now() ELSE updated_at END,"
        " status = 'RUNNING', leased_at = now(), sends = 0,"
        " failures = failures + (lease IS NOT NULL)::int",
        returning=f"{COLUMNS}, run, started_at, checkpoint, failures",
    )
    if claimed is None:
        return None
    lease, row = claimed
    run_lease = RunLease(
        lease.key,
        lease.holder,
        from_row(row),
        row.run,
        row.started_at,
        None if row.checkpoint is None else Checkpoint(**row.checkpoint),
        row.failures,
    )
    if run_lease.failures >= MAX_FAILURES:
        fail_run(connection, run_lease, _EXHAUSTED)
        return None
    return run_lease


_EXHAUSTED: Final = (
    f"{MAX_FAILURES} workers in a row ended without progress; the service's log says why."
)


def extend_lease(
    connection: Connection,
    lease: RunLease,
    seconds: float,
    checkpoint: Checkpoint | None = None,
    *,
    trouble: str | None = None,
) -> str:
    """Extend a lease, and store how far the run is.

    Args:
        connection: in a transaction.
        lease: the worker's.
        seconds: until it expires.
        checkpoint: None keeps the one that is stored.
        trouble: what the worker waits for, as the processor's StatusMessage; None if nothing.

    Returns:
        The processor's status. RUNNING: continue. STOPPING: the owner wants it stopped; end with
        :func:`release_lease`. FAILED: the collection was deleted, and the lease has ended.

    Raises:
        LeaseLost: another worker has the processor, or it was stopped or deleted, or failed.
    """
    row = _TABLE.extend(
        connection,
        lease,
        seconds,
        changes=f"""
            failures = CASE
                WHEN %(checkpoint)s::jsonb <> coalesce(checkpoint, 'null')
                    OR leased_at < now() - interval '{_STEADY} seconds' THEN 0
                ELSE failures END,
            status_message = %(trouble)s,
            checkpoint = coalesce(%(checkpoint)s, checkpoint)
        """,
        values={"checkpoint": _document(checkpoint), "trouble": trouble},
        returning=f"status, {SEARCHABLE} AS searchable",
    )
    if row.status == "RUNNING" and not row.searchable:
        end_impossible_runs(connection, lease.processor.key)
        return "FAILED"
    status: str = row.status
    return status


def release_lease(
    connection: Connection, lease: RunLease, checkpoint: Checkpoint | None = None
) -> None:
    """Hand a run over to a successor, whose message is due now; end the run if it is to stop.

    Does nothing if the lease is lost.

    Args:
        connection: in a transaction.
        lease: the worker's.
        checkpoint: None keeps the one that is stored.
    """
    _TABLE.write(
        connection,
        lease,
        f"{FREE}, checkpoint = coalesce(%(checkpoint)s, checkpoint),"
        " status_message = CASE status WHEN 'STOPPING' THEN NULL ELSE status_message END,"
        " updated_at = CASE status WHEN 'STOPPING' THEN now() ELSE updated_at END,"
        " status = CASE status WHEN 'STOPPING' THEN 'STOPPED' ELSE status END,"
        " failures = 0, sends = 0, send_after = now()",
        {"checkpoint": _document(checkpoint)},
    )


def retry_later(
    connection: Connection, lease: RunLease, reason: str, checkpoint: Checkpoint | None = None
) -> None:
    """End a lease after a fault that may pass: the message for a successor is due after a while.

    The wait doubles with failures in a row, of which the first is that of a worker that had made
    progress. After ``MAX_FAILURES`` of them the processor fails. Does nothing if the lease is lost.

    Args:
        connection: in a transaction.
        lease: the worker's.
        reason: one sentence, the processor's StatusMessage until a successor makes progress.
        checkpoint: None keeps the one that is stored.
    """
    try:
        status = extend_lease(connection, lease, 0, checkpoint)
    except LeaseLost:
        return
    if status != "RUNNING":
        release_lease(connection, lease)
        return
    _TABLE.write(
        connection,
        lease,
        f"{FREE}, failures = failures + 1, sends = 0,"
        f" send_after = now() + least({_RETRY} * power(2, failures), {_LONGEST_RETRY})"
        " * interval '1 second',"
        f" status = CASE WHEN {_LAST} THEN 'FAILED' ELSE status END,"
        " status_message = %(reason)s,"
        f" updated_at = CASE WHEN {_LAST} THEN now() ELSE updated_at END",
        {"reason": reason},
    )


def fail_run(connection: Connection, lease: RunLease, reason: str) -> None:
    """End a run as FAILED, or as STOPPED if it was to stop.

    Does nothing if the lease is lost.

    Args:
        connection: in a transaction.
        lease: the worker's.
        reason: one sentence for the owner, the processor's StatusMessage.
    """
    _TABLE.write(
        connection,
        lease,
        f"{FREE}, status_message = %(reason)s, updated_at = now(),"
        " status = CASE status WHEN 'STOPPING' THEN 'STOPPED' ELSE 'FAILED' END",
        {"reason": reason},
    )


def claim_messages(connection: Connection, key: int | None = None) -> list[int]:
    """Claim the messages of processors that are due, for this process to send.

    Args:
        connection: in a transaction.
        key: the only processor that is looked at.

    Returns:
        The processors' keys.
    """
    rows = _TABLE.claim_messages(
        connection,
        condition="processor_key = coalesce(%(key)s, processor_key)",
        values={"key": key},
    )
    return sorted(row.processor_key for row in rows)


def resend_messages(connection: Connection, *, seconds: float = 0) -> None:
    """Make the messages of processors due again after ``seconds``: they did not reach a worker."""
    _TABLE.resend_messages(connection, seconds)


def _document(checkpoint: Checkpoint | None) -> Jsonb | None:
    return None if checkpoint is None else Jsonb(asdict(checkpoint), dumps=orjson.dumps)
