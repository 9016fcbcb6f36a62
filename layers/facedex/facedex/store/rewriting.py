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


def rewrite_statistics(connection: Connection, tables: Sequence[str]) -> str | None:
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
        for name in tables:
            connection.execute(f"ANALYZE {name}")
        connection.execute("VACUUM (FULL) pg_catalog.pg_statistic")
    except psycopg.errors.InsufficientPrivilege:
        return (
            "the planner's statistics (pg_statistic), which only a superuser of the database can"
            " remove"
        )
    return None


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


def await_transactions(connection: Connection) -> bool:
    """Wait until no transaction can see rows that are deleted now; return whether that is so."""
    row = connection.execute(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS id"
    ).fetchone()
    assert row is not None
    end = monotonic() + _OLD_TRANSACTIONS
    while True:
        # Ages, because ids have 32 bits and wrap around.
        older = connection.execute(
            """
            SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND backend_type IN ('client backend', 'parallel worker')
                AND (
                    age(backend_xmin) > age(%(id)s::xid8::xid)
                    OR age(backend_xid) > age(%(id)s::xid8::xid)
                )
            LIMIT 1
            """,
            {"id": row.id},
        ).fetchone()
        if older is None:
            return True
        if monotonic() > end:
            return False
        sleep(_POLL)
