"""The runs of stream processors. A run has one worker at a time, and may have many in succession.

A run begins with each start of a processor. Its worker holds a lease (``store/leases.py``) and
stores a checkpoint with each extension. When a worker dies, its successor continues from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from facedex.store.active_streams import FREE, SEARCHABLE, end_impossible_runs, remove_deleted
from facedex.store.database import Connection
from facedex.store.leases import EVERYWHERE, REACHABLE, Lease, LeasedTable
from facedex.store.store_errors import LeaseLost
from facedex.store.stream_processors import COLUMNS, StreamProcessor, from_row

# Number of consecutive workers without progress after which a processor fails.
MAX_FAILURES: Final = 10

# Seconds after which a worker counts as making progress even if no media arrives: media that make
# a worker crash do so at once. This is longer than the minute for which a worker retries a data
# stream that accepts nothing; otherwise such failures would never be counted as consecutive.
_STEADY: Final = 180

# Seconds until the next attempt after a failure, doubled with each consecutive failure.
_RETRY: Final = 1
_LONGEST_RETRY: Final = 60

_TABLE: Final = LeasedTable(
    "stream_processors",
    ("processor_key",),
    "status IN ('STARTING', 'RUNNING')",
    resend_seconds=30,
    doublings=6,
)

# SQL condition: the current failure is the last one allowed.
_LAST: Final = f"failures + 1 >= {MAX_FAILURES}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The progress of a run: all records up to the end of this fragment are in the data stream.

    Attributes:
        fragment_number: the fragment's, as Kinesis Video Streams numbers it.
        continuation_token: token with which GetMedia continues after the fragment.
        server_timestamp, producer_timestamp: the fragment's times, in seconds since 1970.
    """

    fragment_number: str
    continuation_token: str
    server_timestamp: float | None
    producer_timestamp: float | None


@dataclass(frozen=True, slots=True)
class RunLease(Lease):
    """A worker's exclusive right to a run.

    Attributes:
        run: the run's id, new with every start of the processor.
        started_at: time of that start.
        checkpoint: the point from which to continue; None if no worker of the run has stored one.
        failures: number of consecutive workers before this one that made no progress.
    """

    processor: StreamProcessor
    run: UUID
    started_at: datetime
    checkpoint: Checkpoint | None
    failures: int


def claim_lease(connection: Connection, key: int, seconds: float) -> RunLease | None:
    """Claim a processor for this worker, which makes it RUNNING.

    A processor that cannot run is ended instead: if its owner has requested a stop, its collection
    was deleted, or ``MAX_FAILURES`` consecutive workers have died.

    Args:
        connection: in a transaction.
        key: the processor's key, from a message.
        seconds: seconds until the lease expires.

    Returns:
        The lease, or None if there is no such processor, it is neither STARTING nor RUNNING, or
        another worker has it.
    """
    end_impossible_runs(connection, key)
    claimed = _TABLE.claim(
        connection,
        {"processor_key": key},
        seconds,
        # If the row still has a lease, the worker did not release it, so it died.
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


_EXHAUSTED: Final = f"{MAX_FAILURES} consecutive workers made no progress; see the service's log."


def extend_lease(
    connection: Connection,
    lease: RunLease,
    seconds: float,
    checkpoint: Checkpoint | None = None,
    *,
    trouble: str | None = None,
) -> str:
    """Extend a lease, and store the run's checkpoint.

    Args:
        connection: in a transaction.
        lease: the worker's lease.
        seconds: seconds until it expires.
        checkpoint: the new checkpoint; None keeps the stored one.
        trouble: the current problem, for the processor's StatusMessage; None if there is none.

    Returns:
        The processor's status. RUNNING: continue. STOPPING: the owner has requested a stop; end
        with :func:`release_lease`. FAILED: the collection was deleted, and the lease has ended.

    Raises:
        LeaseLost: if another worker has the processor, or it was stopped or deleted, or it failed.
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
    """Release a run for a successor, whose message is due now; end the run if it is STOPPING.

    Does nothing if the lease is lost.

    Args:
        connection: in a transaction.
        lease: the worker's lease.
        checkpoint: the new checkpoint; None keeps the stored one.
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
    remove_deleted(connection, lease.processor.key)


def retry_later(
    connection: Connection, lease: RunLease, reason: str, checkpoint: Checkpoint | None = None
) -> None:
    """End a lease after a temporary failure; the message for a successor is due after a delay.

    The delay doubles with each consecutive failure; progress resets the count. After
    ``MAX_FAILURES`` failures the processor fails. Does nothing if the lease is lost.

    Args:
        connection: in a transaction.
        lease: the worker's lease.
        reason: one sentence, the processor's StatusMessage until a successor makes progress.
        checkpoint: the new checkpoint; None keeps the stored one.
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
    """End a run as FAILED, or as STOPPED if its owner has requested a stop.

    Does nothing if the lease is lost.

    Args:
        connection: in a transaction.
        lease: the worker's lease.
        reason: one sentence for the owner, the processor's StatusMessage.
    """
    _TABLE.write(
        connection,
        lease,
        f"{FREE}, status_message = %(reason)s, updated_at = now(),"
        " status = CASE status WHEN 'STOPPING' THEN 'STOPPED' ELSE 'FAILED' END",
        {"reason": reason},
    )
    remove_deleted(connection, lease.processor.key)


def claim_messages(
    connection: Connection, key: int | None = None, *, servers: Sequence[str] = EVERYWHERE
) -> list[int]:
    """Claim the due messages of processors, for this process to send.

    Args:
        connection: in a transaction.
        key: if given, only the message of this processor.
        servers: only of processors of these servers, see ``Settings.servers``.

    Returns:
        The processors' keys.
    """
    rows = _TABLE.claim_messages(
        connection,
        condition=f"processor_key = coalesce(%(key)s, processor_key) AND {REACHABLE}",
        values={"key": key, "servers": list(servers)},
    )
    return sorted(row.processor_key for row in rows)


def resend_messages(connection: Connection, *, seconds: float = 0) -> None:
    """Make the messages of processors due again after ``seconds``, as if they had been lost."""
    _TABLE.resend_messages(connection, seconds)


def release_all_leases(connection: Connection) -> None:
    """Release the leases of all processors, when it is known that no worker is alive."""
    _TABLE.release_all(connection, FREE)


def _document(checkpoint: Checkpoint | None) -> Jsonb | None:
    return None if checkpoint is None else Jsonb(asdict(checkpoint), dumps=orjson.dumps)
