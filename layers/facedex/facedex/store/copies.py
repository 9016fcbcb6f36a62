"""Copies of galleries, and how they are kept up to date from the log.

A copy has the rows that one snapshot of Postgres sees. The table ``gallery_changes`` names the
transaction of every later change, and Postgres decides for each transaction whether that snapshot
sees it. Numbers of a sequence would not do: transactions commit in another order than they draw
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from facedex.store.collections import Collection
from facedex.store.database import Connection, Database
from facedex.store.vectors import from_binary, from_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facedex.gallery.resident import Resident
    from facedex.gallery.scanning import Ids

# More changes than this are not added one by one: the gallery is read again.
MOST_CHANGES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A searched table.

    Attributes:
        table: its name.
        key: the column with the ids of 16 bytes.
        order: the column that decides between equal scores.
        of_users: as in the log.
        count: the column of ``collection_counts``.
    """

    table: str
    key: str
    order: str
    of_users: bool
    count: str


FACES: Final = Kind("faces", "face_id", "face_id", False, "faces")
USERS: Final = Kind("users", "user_key", "user_id", True, "users")


@dataclass(frozen=True, slots=True)
class Version:
    """The state of the database that a copy has.

    Attributes:
        snapshot: the transactions that it sees, as Postgres writes them.
        server: as ``SERVER`` identifies it. Another one, after a failover or a restored backup, may
            have used the same transaction ids for other changes.
    """

    snapshot: str
    server: str


@dataclass(slots=True)
class Copy:
    """A copy of a collection's faces or users.

    Attributes:
        resident: the codes.
        version: replaced after every change to the codes, never before.
        model_version: the model of the vectors.
    """

    resident: Resident
    version: Version
    model_version: str


# Identifies the server since its last start or crash, and its tables. When one of its processes
# crashes, the postmaster remains, but Postgres discards its statistics, forgets those of the last
# transactions that were rolled back or did not wait for the disk, and uses their ids again.
SERVER: Final = """concat_ws(
    '/', extract(epoch FROM pg_postmaster_start_time()),
    extract(epoch FROM (SELECT stats_reset FROM pg_stat_bgwriter)), 'faces'::regclass::oid
)"""


def changes(kind: Kind, collection: Collection) -> str:
    """Return the query for the items that changed since the parameter ``snapshot``.

    Postgres keeps the plan of a search only if the plan would be the same for every snapshot. The
    condition therefore hides the snapshot from the planner, in a subquery. The second comparison is
    always true. It makes the condition a range, of which Postgres expects to find few rows; above
    an unknown number it would expect a third of the table, and read all of it.
    """
    return f"""
        SELECT item FROM gallery_changes
        WHERE collection_key = {collection.key:d} AND of_users = {kind.of_users}
            AND changed_by >= (SELECT pg_snapshot_xmin(%(snapshot)s::pg_snapshot))
            AND changed_by <= '18446744073709551615'
            AND NOT pg_visible_in_snapshot(changed_by, %(snapshot)s::pg_snapshot)
    """


# Whether the log, as of the statement's own snapshot, has all changes since the parameter
# ``snapshot``, and the statement sees all that this snapshot sees. In a query on collections.
CURRENT: Final = f"""(
    {SERVER} = %(server)s
    AND (SELECT pruned_before <= pg_snapshot_xmin(%(snapshot)s::pg_snapshot) FROM gallery_log)
    AND (
        collections.replaced_by IS NULL
        OR pg_visible_in_snapshot(collections.replaced_by, %(snapshot)s::pg_snapshot)
        OR collections.replaced_by >= pg_snapshot_xmax(pg_current_snapshot())  -- of a backup
    )
    AND pg_snapshot_xmax(%(snapshot)s::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
    AND NOT EXISTS (
        SELECT FROM pg_snapshot_xip(pg_current_snapshot()) AS running
        WHERE pg_visible_in_snapshot(running, %(snapshot)s::pg_snapshot)
    )
)"""


def count(connection: Connection, kind: Kind, key: int) -> int:
    """Return the number of a collection's faces or users."""
    row = connection.execute(
        f"SELECT coalesce(sum({kind.count}), 0)::bigint AS number FROM collection_counts"
        " WHERE collection_key = %s",
        (key,),
    ).fetchone()
    assert row is not None
    return int(row.number)


def current_version(connection: Connection, collection: Collection) -> Version | None:
    """Return the state of the database now.

    Returns:
        None if the collection is gone or was changed, or the server is a standby, whose snapshots
        do not name the transactions in progress.
    """
    state = connection.execute(
        f"SELECT pg_current_snapshot()::text AS snapshot, {SERVER} AS server"
        " FROM collections, gallery_log"
        " WHERE collection_key = %s AND deleted_at IS NULL AND model_version = %s"
        " AND NOT pg_is_in_recovery()",
        (collection.key, collection.model_version),
    ).fetchone()
    return Version(state.snapshot, state.server) if state else None


def parse(rows: list[bytes]) -> tuple[Ids, NDArray[np.float32]]:
    """Return the ids and vectors of rows with both in Postgres's binary format."""
    import numpy as np

    table = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    ids = np.ascontiguousarray(table[:, :16]).view(">u8").astype(np.uint64)
    return ids, from_table(table[:, 16:])


def refresh(database: Database, kind: Kind, collection: Collection, copy: Copy) -> bool:
    """Bring a copy up to date; return False if it has to be read again.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.reading() as connection:
        return bring_up_to_date(connection, kind, collection, copy)


def bring_up_to_date(
    connection: Connection, kind: Kind, collection: Collection, copy: Copy
) -> bool:
    """Do the same on a connection."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(
            f"""
            WITH changed AS MATERIALIZED (
                SELECT DISTINCT item FROM ({changes(kind, collection)}) AS newer
                LIMIT {MOST_CHANGES + 1}
            )
            SELECT pg_current_snapshot()::text AS snapshot, {CURRENT} AS current, changed.item,
                halfvec_send(gallery.vector) AS vector
            FROM collections LEFT JOIN changed ON true
            LEFT JOIN {kind.table} AS gallery
                ON gallery.collection_key = {collection.key:d} AND gallery.{kind.key} = changed.item
            WHERE collections.collection_key = {collection.key:d} AND deleted_at IS NULL
                AND model_version = %(model)s
            """,
            {
                "snapshot": copy.version.snapshot,
                "server": copy.version.server,
                "model": collection.model_version,
            },
        ).fetchall()
    if not rows or not rows[0].current or len(rows) > MOST_CHANGES:
        return False
    for segment in copy.resident.segments:
        segment.block.require_whole()
    _apply(copy.resident, [row for row in rows if row.item is not None])
    copy.version = Version(rows[0].snapshot, copy.version.server)
    return copy.resident.usable


def _apply(resident: Resident, rows: list[Any]) -> None:
    if not rows:
        return
    resident.remove(to_ids([row.item for row in rows]))
    present = [row for row in rows if row.vector is not None]
    if present:
        vectors = from_binary([row.vector for row in present])
        resident.add(to_ids([row.item for row in present]), vectors)


def to_ids(items: list[UUID]) -> Ids:
    """Return UUIDs as (n, 2) numbers."""
    import numpy as np

    data = b"".join(item.bytes for item in items)
    return np.frombuffer(data, ">u8").reshape(-1, 2).astype(np.uint64)


def to_text(ids: Ids) -> str:
    """Return (n, 2) numbers as a literal of Postgres's ``uuid[]``."""
    digits = ids.astype(">u8").tobytes().hex()
    return "{" + ",".join(digits[start : start + 32] for start in range(0, len(digits), 32)) + "}"


def prune(database: Database) -> int:
    """Remove changes from the log that are five to ten minutes old; return how many.

    A copy that lacks them, because its process was stopped meanwhile, is read again. A backup that
    was restored on another server may have changes by transactions that do not exist yet there.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.transaction(frees=True) as connection:
        return connection.execute(
            """
            WITH turn AS (
                UPDATE gallery_log SET pruned_before = next_before,
                    next_before = pg_snapshot_xmin(pg_current_snapshot()),
                    next_at = now() + interval '5 minutes'
                WHERE next_at <= now() RETURNING pruned_before
            )
            DELETE FROM gallery_changes USING turn
            WHERE changed_by < turn.pruned_before
                OR changed_by >= pg_snapshot_xmax(pg_current_snapshot())
            """
        ).rowcount
