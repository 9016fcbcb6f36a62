"""The runs of stream processors: each has one worker at a time, whoever dies.

A message only says which processor to look at. Who works on it is decided here, by a lease that
the worker keeps extending with how far it is; a worker that dies loses it, the message is sent
again, and a successor goes on from there. All times are the database's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import orjson
from psycopg.types.json import Jsonb

from facedex.store.database import Connection
from facedex.store.errors import LeaseLost
from facedex.store.stream_processors import COLUMNS, StreamProcessor, from_row

# Workers in a row that ended without having got on, after which a processor fails.
MOST_FAILURES: Final = 10

# Seconds after which a worker counts as getting on, even if nothing comes in: what kills its
# worker does so when it is read, which is at once. More than the minute for which a worker tries a
# data stream that takes nothing, as that would else never come to an end.
_STEADY: Final = 180

# Seconds after which a message that nobody took up is sent again; each time they double, since
# all workers being busy is likelier than a lost message.
_RESEND: Final = 30

# Seconds until the next attempt after a failure; they double with failures in a row.
_RETRY: Final = 1
_LONGEST_RETRY: Final = 60

# SQL: nobody works on it; its collection is there; this failure is the last; let go of it.
_IDLE: Final = "(leased_until IS NULL OR leased_until <= now())"
_SEARCHABLE: Final = """EXISTS (
    SELECT 1 FROM collections
    WHERE collections.collection_key = processor.collection_key AND deleted_at IS NULL
)"""
_LAST: Final = f"failures + 1 >= {MOST_FAILURES}"
_FREE: Final = "lease = NULL, leased_at = NULL, leased_until = NULL"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a run is: everything up to the end of this fragment is in the data stream.

    Attributes:
        fragment_number: the fragment's, as Kinesis Video Streams numbers it.
        continuation_token: where GetMedia goes on behind it.
        server_timestamp, producer_timestamp: the fragment's, seconds since 1970.
    """

    fragment_number: str
    continuation_token: str
    server_timestamp: float | None
    producer_timestamp: float | None


@dataclass(frozen=True, slots=True)
class Lease:
    """A run that a worker has for itself.

    Attributes:
        run: changes with every start of the processor.
        started_at: when that start was.
        checkpoint: where to go on; None if no worker of the run has got anywhere.
        failures: workers in a row before this one that did not get on.
    """

    processor: StreamProcessor
    holder: UUID
    run: UUID
    started_at: datetime
    checkpoint: Checkpoint | None
    failures: int


def take(connection: Connection, key: int, seconds: float) -> Lease | None:
    """The processor for this worker, which makes it RUNNING.

    None if it is gone, neither STARTING nor RUNNING, or another worker's. One that cannot go on is
    ended instead: a processor that was to stop, whose collection is gone, or on which ten workers
    in a row have died.

    Args:
        key: the processor's, from a message.
        seconds: for which the worker may be silent.
    """
    settle(connection, key)
    holder = uuid4()
    row = connection.execute(
        f"""
        UPDATE stream_processors SET
            updated_at = CASE WHEN status = 'STARTING' THEN now() ELSE updated_at END,
            status = 'RUNNING', lease = %(holder)s, leased_at = now(),
            leased_until = now() + make_interval(secs => %(seconds)s),
            -- A lease that is still there was not given back: its worker died.
            failures = failures + (lease IS NOT NULL)::int,
            sends = 0, send_after = now() + make_interval(secs => %(seconds)s)
        WHERE processor_key = (
            SELECT processor_key FROM stream_processors
            WHERE processor_key = %(key)s AND status IN ('STARTING', 'RUNNING') AND {_IDLE}
            FOR UPDATE SKIP LOCKED
        )
        RETURNING {COLUMNS}, run, started_at, checkpoint, failures
        """,
        {"holder": holder, "seconds": seconds, "key": key},
    ).fetchone()
    if row is None:
        return None
    checkpoint = None if row.checkpoint is None else Checkpoint(**row.checkpoint)
    lease = Lease(from_row(row), holder, row.run, row.started_at, checkpoint, row.failures)
    if lease.failures >= MOST_FAILURES:
        fail(connection, lease, _EXHAUSTED)
        return None
    return lease


_EXHAUSTED: Final = (
    f"{MOST_FAILURES} workers in a row ended without having got on; the service's log says why."
)


def beat(
    connection: Connection,
    lease: Lease,
    seconds: float,
    checkpoint: Checkpoint | None = None,
    *,
    trouble: str | None = None,
) -> str:
    """Show that the worker is alive, and keep how far it is.

    Args:
        seconds: for which it may be silent from now on.
        checkpoint: None leaves the one that is stored.
        trouble: what it waits for, as the processor's StatusMessage; None if it gets on.

    Returns:
        The processor's status. RUNNING: go on. STOPPING: the owner wants it stopped; let go with
        :func:`release`. FAILED: the collection was deleted; the lease is gone already.

    Raises:
        LeaseLost: the processor is another worker's by now, was stopped or deleted, or failed.
    """
    row = connection.execute(
        f"""
        UPDATE stream_processors AS processor SET
            leased_until = now() + make_interval(secs => %(seconds)s),
            send_after = now() + make_interval(secs => %(seconds)s),
            failures = CASE
                WHEN %(checkpoint)s::jsonb <> coalesce(checkpoint, 'null')
                    OR leased_at < now() - interval '{_STEADY} seconds' THEN 0
                ELSE failures END,
            status_message = %(trouble)s,
            checkpoint = coalesce(%(checkpoint)s, checkpoint)
        WHERE processor_key = %(key)s AND lease = %(holder)s
        RETURNING status, {_SEARCHABLE} AS searchable
        """,
        {
            "seconds": seconds,
            "checkpoint": _document(checkpoint),
            "trouble": trouble,
            "key": lease.processor.key,
            "holder": lease.holder,
        },
    ).fetchone()
    if row is None:
        raise LeaseLost("The stream processor is another worker's, or its run is over.")
    if row.status == "RUNNING" and not row.searchable:
        settle(connection, lease.processor.key)
        return "FAILED"
    status: str = row.status
    return status


def release(connection: Connection, lease: Lease, checkpoint: Checkpoint | None = None) -> None:
    """Hand the run over to a successor, whose message is due now; end it if it is to stop.

    Does nothing if the lease is lost.

    Args:
        checkpoint: None leaves the one that is stored.
    """
    connection.execute(
        f"UPDATE stream_processors SET {_FREE}, checkpoint = coalesce(%s, checkpoint),"
        " status_message = CASE status WHEN 'STOPPING' THEN NULL ELSE status_message END,"
        " updated_at = CASE status WHEN 'STOPPING' THEN now() ELSE updated_at END,"
        " status = CASE status WHEN 'STOPPING' THEN 'STOPPED' ELSE status END,"
        " failures = 0, sends = 0, send_after = now() WHERE processor_key = %s AND lease = %s",
        (_document(checkpoint), lease.processor.key, lease.holder),
    )


def retry(
    connection: Connection, lease: Lease, reason: str, checkpoint: Checkpoint | None = None
) -> None:
    """Let go of the run after a fault that may pass: a successor's message is due in a while.

    The wait doubles with failures in a row, of which the first is that of a worker that had got
    on; after ten of them the processor fails. Does nothing if the lease is lost.

    Args:
        reason: one sentence, the processor's StatusMessage until a successor gets on.
        checkpoint: None leaves the one that is stored.
    """
    try:
        status = beat(connection, lease, 0, checkpoint)
    except LeaseLost:
        return
    if status != "RUNNING":
        release(connection, lease)
        return
    connection.execute(
        f"""
        UPDATE stream_processors SET {_FREE}, failures = failures + 1, sends = 0,
            send_after = now() + least({_RETRY} * power(2, failures), {_LONGEST_RETRY})
                * interval '1 second',
            status = CASE WHEN {_LAST} THEN 'FAILED' ELSE status END,
            status_message = %(reason)s,
            updated_at = CASE WHEN {_LAST} THEN now() ELSE updated_at END
        WHERE processor_key = %(key)s AND lease = %(holder)s
        """,
        {"reason": reason, "key": lease.processor.key, "holder": lease.holder},
    )


def fail(connection: Connection, lease: Lease, reason: str) -> None:
    """End the run for good: FAILED, or STOPPED if that is what was wanted of it anyway.

    Does nothing if the lease is lost.

    Args:
        reason: one sentence for the owner, the processor's StatusMessage.
    """
    connection.execute(
        f"UPDATE stream_processors SET {_FREE}, status_message = %s, updated_at = now(),"
        " status = CASE status WHEN 'STOPPING' THEN 'STOPPED' ELSE 'FAILED' END"
        " WHERE processor_key = %s AND lease = %s",
        (reason, lease.processor.key, lease.holder),
    )


def settle(connection: Connection, key: int | None = None) -> list[StreamProcessor]:
    """End what cannot go on, whoever has died: to be called every few seconds or minutes.

    A processor that is STOPPING and that no worker has is STOPPED; one whose collection is gone
    is FAILED, and its worker, if it has one, loses its lease.

    Args:
        key: the only processor that is looked at.

    Returns:
        Those that have failed by this.
    """
    connection.execute(
        f"""
        UPDATE stream_processors SET status = 'STOPPED', updated_at = now(), {_FREE}
        WHERE processor_key IN (
            SELECT processor_key FROM stream_processors
            WHERE status = 'STOPPING' AND {_IDLE} AND processor_key = coalesce(%s, processor_key)
            FOR UPDATE SKIP LOCKED
        )
        """,
        (key,),
    )
    rows = connection.execute(
        f"""
        UPDATE stream_processors SET status = 'FAILED', updated_at = now(), {_FREE},
            status_message = 'The collection ' || collection_id || ' was deleted.'
        WHERE processor_key IN (
            SELECT processor_key FROM stream_processors AS processor
            WHERE status IN ('STARTING', 'RUNNING') AND processor_key = coalesce(%s, processor_key)
                AND NOT {_SEARCHABLE}
            FOR UPDATE SKIP LOCKED
        )
        RETURNING {COLUMNS}
        """,
        (key,),
    ).fetchall()
    return [from_row(row) for row in rows]


def claim_sends(connection: Connection, key: int | None = None) -> list[int]:
    """Keys of the processors whose messages are to be sent now, for this process to send.

    Those are the ones just started or handed over, those whose worker died, and those whose
    message nobody took up for long.

    Args:
        key: the only processor that is looked at.
    """
    rows = connection.execute(
        f"""
        UPDATE stream_processors AS processor SET sends = least(sends + 1, 12),
            send_after = now() + {_RESEND} * power(2, least(sends, 6)) * interval '1 second'
        WHERE processor_key IN (
            SELECT processor_key FROM stream_processors
            WHERE status IN ('STARTING', 'RUNNING') AND send_after <= now() AND {_IDLE}
                AND processor_key = coalesce(%s, processor_key)
            FOR UPDATE SKIP LOCKED
        )
        RETURNING processor_key
        """,
        (key,),
    ).fetchall()
    return sorted(row.processor_key for row in rows)


def send_again(connection: Connection, *, seconds: int = 0) -> None:
    """Have every message that nobody works on sent again, soon: they did not get to a worker."""
    connection.execute(
        """
        UPDATE stream_processors SET
            send_after = coalesce(leased_until, now()) + make_interval(secs => %s)
        WHERE processor_key IN (
            SELECT processor_key FROM stream_processors WHERE status IN ('STARTING', 'RUNNING')
            FOR UPDATE SKIP LOCKED
        )
        """,
        (seconds,),
    )


def active(connection: Connection) -> list[StreamProcessor]:
    """The processors that need a worker, or have one."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM stream_processors"
        " WHERE status IN ('STARTING', 'RUNNING', 'STOPPING') ORDER BY processor_key"
    )
    return [from_row(row) for row in rows]


def any_active(connection: Connection) -> bool:
    """Whether any processor needs a worker, or has one."""
    return count_active(connection) > 0


def count_active(connection: Connection) -> int:
    """How many processors need a worker, or have one."""
    row = connection.execute(
        "SELECT count(*) AS number FROM stream_processors"
        " WHERE status IN ('STARTING', 'RUNNING', 'STOPPING')"
    ).fetchone()
    assert row is not None
    number: int = row.number
    return number


def _document(checkpoint: Checkpoint | None) -> Jsonb | None:
    return None if checkpoint is None else Jsonb(asdict(checkpoint), dumps=orjson.dumps)
