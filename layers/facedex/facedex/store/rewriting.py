"""Rewriting of a database's files without the bytes of deleted rows: the steps of an erasure."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, sleep
from typing import Final

import psycopg

from facedex.store.database import Connection

# Seconds to wait until no transaction can see rows that were deleted before. Those of this product
# are cancelled after 20 seconds.
_OLD_TRANSACTIONS: Final = 30.0
_POLL: Final = 0.1
# Log files with old contents that are used up at most; a few gigabytes.
_MOST_SWITCHES: Final = 300
# What can see rows that transactions before an id have deleted. A new snapshot is as old as the
# oldest transaction that writes, also one that is prepared or in another database of the server.
# Whatever holds an old snapshot of this database counts: other roles, of which a role without
# privileges sees no more than this, and autovacuum's ANALYZE. Its VACUUM does not: Postgres ignores
# its snapshots. Walsenders, which are in no database, and slots have those of standbys.
_SEEING: Final = """
    SELECT 'a transaction that began before the deletion is still open' AS what
    WHERE pg_snapshot_xmin(pg_current_snapshot()) < %(id)s::xid8 OR EXISTS (
        SELECT FROM pg_stat_activity
        WHERE (datname = current_database() OR datname IS NULL) AND pid <> pg_backend_pid()
            AND age(backend_xmin) > age(%(id)s::xid8::xid)  -- ids of 32 bits wrap around
            AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
    )
    UNION ALL
    SELECT 'a standby with the replication slot ' || slot_name || ' can still see deleted rows'
    FROM pg_replication_slots WHERE age(xmin) > age(%(id)s::xid8::xid)
    LIMIT 1
"""
# Names of 24 hexadecimal digits: no history or backup files.
_LOG_FILES: Final = "SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"


def rewrite(connection: Connection, table: str) -> str | None:
    """Write a table and its indexes to new files, without dead rows.

    Returns:
        A problem, or None.
    """
    before = _file_of(connection, table)
    try:
        connection.execute(f"VACUUM (FULL) {table}")
    except psycopg.errors.LockNotAvailable:
        return f"the table {table}, which requests are using"
    except psycopg.errors.DiskFull:
        return f"the table {table}: the disk has no room for its new file"
    # Without the permission, Postgres only sends a warning.
    if _file_of(connection, table) == before:
        return f"the table {table}, which belongs to another role of the database"
    return None


def _file_of(connection: Connection, table: str) -> int:
    row = connection.execute("SELECT pg_relation_filenode(%s) AS file", (table,)).fetchone()
    assert row is not None
    file: int = row.file
    return file


def replace_statistics(connection: Connection, tables: Sequence[str]) -> str | None:
    """Replace the planner's statistics of tables, which contain values of rows.

    Returns:
        A problem, or None.
    """
    try:
        # ANALYZE keeps the statistics of a table that is empty now, and of columns without any.
        connection.execute(
            "DELETE FROM pg_statistic WHERE starelid IN"
            " (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)",
            (list(tables),),
        )
    except psycopg.errors.InsufficientPrivilege:
        return (
            "the planner's statistics (pg_statistic), which only a superuser of the database can"
            " remove"
        )
    for name in tables:
        connection.execute(f"ANALYZE {name}")
    return None


def rewrite_statistics(connection: Connection) -> None:
    """Write all statistics to a new file, without dead rows."""
    connection.execute("VACUUM (FULL) pg_catalog.pg_statistic")


def replace_log(connection: Connection) -> tuple[int, str | None]:
    """Start a new file of the write-ahead log and remove all earlier ones.

    A checkpoint removes the files before its own. Files that an earlier release recycled for future
    use have old contents, too; they are used up.

    Returns:
        The number of files removed, and a problem, or None.
    """
    try:
        return _replace_log(connection)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
        return 0, "the write-ahead log, which only a superuser of the database can replace"


def _replace_log(connection: Connection) -> tuple[int, str | None]:
    before = {row.name for row in connection.execute(_LOG_FILES)}
    for _ in range(_MOST_SWITCHES):
        connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT pg_walfile_name(pg_current_wal_insert_lsn()) AS name"
        ).fetchone()
        assert row is not None
        if not before or row.name > max(before):
            break
    after = {row.name for row in connection.execute(_LOG_FILES)}
    kept = before & after
    setting = connection.execute("SHOW wal_recycle").fetchone()
    assert setting is not None
    if setting.wal_recycle == "on":
        problem = (
            "the write-ahead log, whose files the server reuses with their old contents: set"
            " wal_recycle to off"
        )
    elif kept:
        problem = (
            f"{len(kept)} files of the write-ahead log, which the server keeps for a standby, an"
            " archive or a replication slot"
        )
    else:
        problem = None
    return len(before - after), problem


def await_transactions(connection: Connection) -> str | None:
    """Wait until nothing can see rows that are deleted now; a rewritten table would keep them.

    Returns:
        What can still see them, or None.
    """
    row = connection.execute(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS id"
    ).fetchone()
    assert row is not None
    end = monotonic() + _OLD_TRANSACTIONS
    while True:
        older = connection.execute(_SEEING, {"id": row.id}).fetchone()
        if older is None:
            return None
        if monotonic() > end:
            return str(older.what)
        sleep(_POLL)
