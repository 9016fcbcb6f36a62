"""Active stream processors: listing, counting, and cleanup of those that cannot continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from facedex.store import leases
from facedex.store.database import Connection
from facedex.store.leases import EVERYWHERE, REACHABLE, UNLEASED
from facedex.store.stream_processors import COLUMNS, StreamProcessor, from_row

# SQL: the assignments that end a lease; the condition that the collection of the processor in the
# row "work" exists.
FREE: Final = f"{leases.FREE}, leased_at = NULL"
SEARCHABLE: Final = """EXISTS (
    SELECT 1 FROM collections
    WHERE collections.collection_key = work.collection_key AND deleted_at IS NULL
)"""


def end_impossible_runs(connection: Connection, key: int | None = None) -> list[StreamProcessor]:
    """End the runs that cannot continue; to be called every few seconds or minutes.

    A processor that is STOPPING and has no worker becomes STOPPED, or is removed if it was deleted.
    One whose collection was deleted becomes FAILED, and its worker, if it has one, loses its lease.

    Args:
        connection: in a transaction.
        key: if given, only this processor.

    Returns:
        The processors that became FAILED.
    """
    values: Mapping[str, Any] = {"key": key}
    remove_deleted(connection, key)
    connection.execute(
        f"""
        UPDATE stream_processors SET status = 'STOPPED', updated_at = now(), {FREE}
        WHERE processor_key IN (
            SELECT processor_key FROM stream_processors
            WHERE status = 'STOPPING' AND {UNLEASED}
                AND processor_key = coalesce(%(key)s, processor_key)
            FOR UPDATE SKIP LOCKED
        )
        """,
        values,
    )
    rows = connection.execute(
        f"""
        UPDATE stream_processors SET status = 'FAILED', updated_at = now(), {FREE},
            status_message = 'The collection ' || collection_id || ' was deleted.'
        WHERE processor_key IN (
            SELECT processor_key FROM stream_processors AS work
            WHERE status IN ('STARTING', 'RUNNING') AND NOT {SEARCHABLE}
                AND processor_key = coalesce(%(key)s, processor_key)
            FOR UPDATE SKIP LOCKED
        )
        RETURNING {COLUMNS}
        """,
        values,
    ).fetchall()
    return [from_row(row) for row in rows]


def stop_all(connection: Connection, reason: str) -> list[str]:
    """Stop every run of a copied database, in which no worker works.

    Args:
        connection: in a transaction.
        reason: one sentence for the owners, the processors' StatusMessage.

    Returns:
        The names of the processors that were STARTING or RUNNING.
    """
    rows = connection.execute(
        f"UPDATE stream_processors SET status = 'STOPPED', updated_at = now(), {FREE},"
        " status_message = %s WHERE status IN ('STARTING', 'RUNNING') RETURNING name",
        (reason,),
    )
    return sorted(row.name for row in rows)


def remove_deleted(connection: Connection, key: int | None = None) -> None:
    """Remove the rows of deleted processors that no worker has.

    Args:
        connection: in a transaction.
        key: if given, only this processor's.
    """
    connection.execute(
        "DELETE FROM stream_processors WHERE processor_key IN ("
        " SELECT processor_key FROM stream_processors"
        f" WHERE deleted_at IS NOT NULL AND {UNLEASED}"
        " AND processor_key = coalesce(%s, processor_key) FOR UPDATE SKIP LOCKED)",
        (key,),
    )


def list_active(
    connection: Connection, *, servers: Sequence[str] = EVERYWHERE
) -> list[StreamProcessor]:
    """Return the processors of these servers that need or have a worker."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM stream_processors"
        f" WHERE status IN ('STARTING', 'RUNNING', 'STOPPING') AND {REACHABLE}"
        " ORDER BY processor_key",
        {"servers": list(servers)},
    )
    return [from_row(row) for row in rows]


def count_active(connection: Connection, *, servers: Sequence[str] = EVERYWHERE) -> int:
    """Return the number of processors of these servers that need or have a worker."""
    row = connection.execute(
        "SELECT count(*) AS number FROM stream_processors"
        f" WHERE status IN ('STARTING', 'RUNNING', 'STOPPING') AND {REACHABLE}",
        {"servers": list(servers)},
    ).fetchone()
    assert row is not None
    number: int = row.number
    return number
