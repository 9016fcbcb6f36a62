"""Erasing of deleted rows from the disk.

A deleted row is invisible, but its bytes remain in the table's file, in its indexes, in the
planner's statistics and in the write-ahead log. VACUUM makes their space available to new rows and
does not overwrite it. Erasing therefore rewrites each table that lost rows, without the dead ones,
and then starts a new file of the log and removes the earlier ones.

Postgres counts the deleted and replaced rows of each table; the table ``erasures`` has the counts
of the last erasure. The count of a crashed server starts again, with a new time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Final

from facedex.store import rewriting
from facedex.store.database import Connection, Database

# Every table. For those with True, replaced rows count too; the others are updated all the time
# and have no data about people in what changes. Those with None lose rows all the time, which have
# ids only (docs/audit.md), so they are rewritten only if everything is.
TABLES: Final[dict[str, bool | None]] = {
    "access_keys": True,
    "audit_anchors": None,
    "audit_chain": None,
    "audit_log": None,
    "audit_queue": None,
    "client_requests": True,
    "collection_counts": False,
    "collections": True,
    "distinctions": True,
    "erasures": False,
    "faces": True,
    "gallery_changes": False,
    "gallery_log": False,
    "schema_migrations": False,
    "secrets": True,
    "stream_processor_tags": True,
    "stream_processors": False,
    "tags": True,
    "upgraded_faces": True,
    "upgrades": False,
    "users": True,
    "video_jobs": False,
    "video_persons": True,
    "video_sightings": True,
    "video_tasks": False,
    "video_tracks": True,
}

# Any constant, the same in every process: one erasure at a time.
_LOCK: Final = 0x_E2A5E

# Bytes: three files of the log. Postgres stops if it has no room for the next one.
_LOG_ROOM: Final = 48 << 20

_COUNTED: Final = """
    SELECT relid, relname AS name, pg_table_size(relid) AS size,
        n_tup_del + CASE WHEN relname = ANY(%(replaced)s) THEN n_tup_upd ELSE 0 END AS removed,
        (SELECT stats_reset FROM pg_stat_wal) AS since
    FROM pg_stat_user_tables
    WHERE relid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with deleted rows that may still be on disk.

    Attributes:
        size: size in bytes, without indexes.
        removed: number of rows deleted or replaced, as Postgres counts them.
        since: time from which Postgres counts, as text.
    """

    name: str
    size: int
    removed: int
    since: str | None


@dataclass(slots=True)
class Erasure:
    """The result of an erasure.

    Attributes:
        tables: the tables that were rewritten.
        bytes_before, bytes_after: their sizes.
        seconds: time for which requests may have waited for the tables.
        log_files: number of files of the write-ahead log that were removed.
        remaining: a sentence for each place where deleted data may remain.
    """

    tables: list[str] = field(default_factory=list)
    bytes_before: int = 0
    bytes_after: int = 0
    seconds: float = 0.0
    log_files: int = 0
    remaining: list[str] = field(default_factory=list)


def find_pending(connection: Connection) -> list[Table]:
    """Return the tables that lost rows since they were last rewritten."""
    rows = connection.execute(
        f"""
        SELECT counted.name, size, counted.removed, since::text AS since
        FROM ({_COUNTED}) AS counted LEFT JOIN erasures ON table_name = counted.name
        WHERE counted.name <> ALL(%(exempt)s)
            AND (erasures.removed, counted_since) IS DISTINCT FROM (counted.removed, since)
            AND NOT (table_name IS NULL AND counted.removed = 0 AND size = 0)
        ORDER BY name
        """,
        _names(),
    )
    return [Table(row.name, row.size, row.removed, row.since) for row in rows]


def list_tables(connection: Connection) -> list[Table]:
    """Return all tables."""
    rows = connection.execute(
        f"SELECT name, size, removed, since::text AS since FROM ({_COUNTED}) AS counted"
        " ORDER BY name",
        _names(),
    )
    return [Table(row.name, row.size, row.removed, row.since) for row in rows]


def erase(
    database: Database,
    *,
    everything: bool = False,
    lock_seconds: float = 1.0,
    largest: float = inf,
    room: Callable[[], float] = lambda: inf,
    log: bool = True,
    report: Callable[[str], None] = lambda _: None,
) -> Erasure | None:
    """Remove the bytes of deleted rows from the disk, as far as the database allows.

    Requests for a table wait while it is rewritten, some seconds per million faces.

    Args:
        database: not behind a proxy, as the erasure changes settings of its connection.
        everything: whether to rewrite all tables, instead of those that lost rows.
        lock_seconds: seconds to wait for requests that use a table; later ones wait as well.
        largest: size in bytes up to which a table is rewritten.
        room: returns the free bytes on the database's disk; a rewrite needs the table's size.
        log: whether to replace the write-ahead log, which all databases of the server share.
        report: called with a description of each step.

    Returns:
        The result, or None if there is nothing to erase or another process is erasing.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.autocommit() as connection:
        if not everything and not find_pending(connection):
            return None
        with unlimited(connection), alone(connection, waits=everything) as taken:
            if not taken:
                return None
            connection.execute(f"SET lock_timeout = {int(lock_seconds * 1000)}")
            tables = list_tables(connection) if everything else find_pending(connection)
            done = _rewrite_tables(connection, tables, largest, room, report)
            if done.tables and _remove_copies(connection, done, log, room, report):
                _record(connection, [table for table in tables if table.name in done.tables])
            return done


def _rewrite_tables(
    connection: Connection,
    tables: Sequence[Table],
    largest: float,
    room: Callable[[], float],
    report: Callable[[str], None],
) -> Erasure:
    done = Erasure()
    report("waiting for transactions that can still see deleted rows")
    if seeing := rewriting.await_transactions(connection):
        done.remaining.append(f"everything: {seeing}")
        return done
    started = monotonic()
    for table in tables:
        problem = _problem(table, largest, room)
        if not problem:
            report(f"rewriting the table {table.name}")
            problem = rewriting.rewrite(connection, table.name)
        if problem:
            done.remaining.append(problem)
            continue
        done.tables.append(table.name)
        done.bytes_before += table.size
    done.seconds = monotonic() - started
    return done


def _remove_copies(
    connection: Connection,
    done: Erasure,
    log: bool,
    room: Callable[[], float],
    report: Callable[[str], None],
) -> bool:
    """Remove what Postgres copied from the rows of the rewritten tables.

    Returns:
        False if the tables have to be rewritten again, because a copy can be removed later.
    """
    report("replacing the planner's statistics")
    seeing = None
    if problem := rewriting.replace_statistics(connection, done.tables):
        done.remaining.append(problem)
    # Requests have gone on meanwhile, and may see the statistics of before.
    elif seeing := rewriting.await_transactions(connection):
        done.remaining.append(f"the planner's statistics: {seeing}")
    else:
        rewriting.rewrite_statistics(connection)
    if log and room() < _LOG_ROOM:
        done.remaining.append(
            f"the write-ahead log: its replacement needs {_LOG_ROOM >> 20} MiB of free disk space"
        )
    elif log:
        report("replacing the write-ahead log")
        done.log_files, problem = rewriting.replace_log(connection)
        if problem:
            done.remaining.append(problem)
    done.bytes_after = sum(
        table.size for table in list_tables(connection) if table.name in done.tables
    )
    return seeing is None


def _record(connection: Connection, tables: Sequence[Table]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO erasures (table_name, removed, counted_since)"
            " VALUES (%s, %s, %s::timestamptz) ON CONFLICT (table_name) DO UPDATE"
            " SET removed = excluded.removed, counted_since = excluded.counted_since,"
            " erased_at = now()",
            [(table.name, table.removed, table.since) for table in tables],
        )


def _problem(table: Table, largest: float, room: Callable[[], float]) -> str | None:
    """Return the reason why a table cannot be rewritten now, or None."""
    if table.size > largest:
        return (
            f"the table {table.name} ({table.size >> 20} MiB), which would take too long to be"
            " rewritten now"
        )
    if table.size > room():
        needed = -(-table.size >> 20)  # rounded up
        return f"the table {table.name}: its rewriting needs {needed} MiB of free disk space"
    return None


@contextmanager
def alone(connection: Connection, *, waits: bool) -> Iterator[bool]:
    """Hold the lock of erasures; yield False if another process has it."""
    if waits:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        taken = True
    else:
        row = connection.execute("SELECT pg_try_advisory_lock(%s) AS taken", (_LOCK,)).fetchone()
        assert row is not None
        taken = row.taken
    try:
        yield taken
    finally:
        if taken and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


@contextmanager
def unlimited(connection: Connection) -> Iterator[None]:
    """Let statements take as long as they need, with more memory, until the end of the block."""
    row = connection.execute("SHOW statement_timeout").fetchone()
    assert row is not None
    connection.execute("SET statement_timeout = 0")
    # Requests wait meanwhile: indexes are sorted in memory.
    connection.execute("SET maintenance_work_mem = '256MB'")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(f"SET statement_timeout = '{row.statement_timeout}'")
            connection.execute("RESET lock_timeout")
            connection.execute("RESET maintenance_work_mem")


def _names() -> dict[str, list[str]]:
    return {
        "tables": list(TABLES),
        "replaced": [name for name, replaced in TABLES.items() if replaced],
        "exempt": [name for name, replaced in TABLES.items() if replaced is None],
    }
