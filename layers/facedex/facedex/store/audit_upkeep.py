"""Upkeep of the audit log: chaining of its last rows, and removal of old ones."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from facedex.store.audit import operator_trail
from facedex.store.database import Connection, Database

# Rows chained or removed in one transaction, so that no statement reaches the timeout.
_BATCH: Final = 1000
_PRUNED: Final = 10_000

# Rows are removed a day late, so that it happens once a day and not with every call.
_IS_DUE: Final = """
SELECT (entry::jsonb ->> 'time')::timestamptz < now() - make_interval(days => %s + 1) AS is_due
FROM audit_chain JOIN audit_log USING (id) ORDER BY position LIMIT 1
"""
# The last row before the first one that is to be kept.
_LAST: Final = f"""
WITH oldest AS MATERIALIZED (
    SELECT position, hash,
        (entry::jsonb ->> 'time')::timestamptz < now() - make_interval(days => %s) AS is_old
    FROM audit_chain JOIN audit_log USING (id) ORDER BY position LIMIT {_PRUNED}
)
SELECT position, encode(hash, 'hex') AS hash FROM oldest
WHERE position < coalesce(
    (SELECT min(position) FROM oldest WHERE NOT is_old), (SELECT max(position) + 1 FROM oldest))
ORDER BY position DESC LIMIT 1
"""


def chain_all(database: Database) -> None:
    """Chain all rows that are not chained yet, unless another process is doing so.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    chained = _BATCH
    while chained == _BATCH:
        with database.autocommit() as connection:
            row = connection.execute("SELECT chain_audit(%s) AS number", (_BATCH,)).fetchone()
            assert row is not None
            chained = row.number


def prune(database: Database, days: int) -> None:
    """Remove the rows that are older than a number of days, except the hash of the last of them.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.reading() as connection:
        row = connection.execute(_IS_DUE, (days,)).fetchone()
    if row is None or not row.is_due:
        return
    while True:
        with database.transaction(frees=True) as connection:
            if not _prune_some(connection, days):
                return


def _prune_some(connection: Connection, days: int) -> bool:
    """Remove some old rows; return whether there may be more."""
    connection.execute("SELECT lock_name('audit')")  # one process at a time
    last = connection.execute(_LAST, (days,)).fetchone()
    if last is None:
        return False
    trail = operator_trail(
        "PruneAuditLog", str(uuid4()), through=str(last.position), hash=last.hash
    )
    row = connection.execute(
        "SELECT prune_audit(%s, %s) AS removed", (last.position, trail.text())
    ).fetchone()
    assert row is not None
    return bool(row.removed == _PRUNED)
