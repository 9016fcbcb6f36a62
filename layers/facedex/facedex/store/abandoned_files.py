"""Files of tables that a crash of Postgres left behind.

A table is rewritten into new files. If Postgres is killed before the commit, they stay on the disk,
and Postgres neither uses nor removes them: they have rows that may be deleted later.
"""

from __future__ import annotations

from collections.abc import Set

from facedex.store.database import Connection


def folder(connection: Connection) -> str:
    """Return the folder with the files of the connected database, relative to the cluster."""
    row = connection.execute(
        "SELECT 'base/' || oid AS name FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    return str(row.name)


def find(connection: Connection, old: Set[int], listed: Set[int]) -> Set[int] | None:
    """Return which of the old files belong to no table and no index.

    Until their commit, other transactions cannot see new tables. Nothing can therefore be said
    while a transaction is in progress that has written something. If one ends after this check,
    its tables are visible to the next statement.

    Args:
        connection: of a superuser, who sees all transactions; each statement is a transaction.
        old: numbers of files that were written before this call.
        listed: numbers of all files in the folder before this call.

    Returns:
        The numbers, or None while another transaction writes, or if a table's file is not listed:
        a copied folder is not that of the server which the copied ``postmaster.pid`` names.
    """
    writing = connection.execute(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        " UNION ALL SELECT 1 FROM pg_prepared_xacts LIMIT 1"
    ).fetchone()
    if writing:
        return None
    # The function reads a cache, which learns of a table's new file a moment after the commit. Only
    # the few catalogs without a number in their row need it.
    rows = connection.execute(
        "SELECT number, reltablespace = 0 AND relpersistence <> 't' AS is_here FROM pg_class,"
        " coalesce(nullif(relfilenode, 0), pg_relation_filenode(pg_class.oid)) AS number"
        " WHERE number IS NOT NULL"
    ).fetchall()
    if any(row.is_here and row.number not in listed for row in rows):
        return None
    return old - {row.number for row in rows}
