"""Reading of the audit log in the order of its chain, in parts, so that no transaction is long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import psycopg

from facedex.store.database import Connection, Database
from facedex.store.store_errors import StoreError

# The hash before the first row.
GENESIS: Final = bytes(32)

_PART: Final = 2000  # links read by one statement

_LINKS: Final = f"""
SELECT position, audit_chain.id, hash, entry
FROM audit_chain LEFT JOIN audit_log USING (id)
WHERE position > %(after)s ORDER BY position LIMIT {_PART}
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A row of the log, and its place in the chain.

    Attributes:
        position: its number in the chain, from 1.
        id: its number in the log: the order in which rows were begun.
        hash: of the row, its place and the previous hash.
        entry: canonical JSON; None if the row is missing.
    """

    position: int
    id: int
    hash: bytes
    entry: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the chain.

    Attributes:
        position: of a row; 0 before the first one.
        hash: of that row.
    """

    position: int
    hash: bytes

    def __str__(self) -> str:
        """Return the position and the hash, as they are printed."""
        return f"{self.position} {self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows that are asked for; None for any.

    Attributes:
        since: earliest time.
        until: time before which they are.
        collection: digest of a collection's name.
        user: digest of a user's name.
        face: a FaceId.
    """

    since: datetime | None = None
    until: datetime | None = None
    collection: str | None = None
    user: str | None = None
    face: str | None = None

    def matches(self, entry: dict[str, Any]) -> bool:
        """Return whether an entry is asked for; one of another form, as after tampering, is."""
        try:
            return self._matches(entry)
        except (TypeError, ValueError):
            return True

    def _matches(self, entry: dict[str, Any]) -> bool:
        time = datetime.fromisoformat(entry["time"]) if "time" in entry else None
        return (
            (self.since is None or time is None or time >= self.since)
            and (self.until is None or time is None or time < self.until)
            and self.collection in (None, entry.get("collection"))
            and self.user in (None, entry.get("user"))
            and (self.face is None or self.face in entry.get("faces", ()))
        )


def link_hash(previous: bytes, position: int, row_id: int, entry: str) -> bytes:
    """Return the hash of a row, as the database's function ``chain_audit`` computes it."""
    return sha256(previous + f"{position} {row_id} {entry}".encode()).digest()


def start(connection: Connection) -> Place:
    """Return the place after which the log has rows: the newest anchor, or the beginning.

    Raises:
        StoreError: if the database has no audit log, or its tables may not be read.
    """
    try:
        row = connection.execute(
            "SELECT position, hash FROM audit_anchors ORDER BY position DESC LIMIT 1"
        ).fetchone()
    except psycopg.errors.UndefinedTable:
        raise StoreError(
            "The database has no audit log; start this release on it once to migrate it."
        ) from None
    except psycopg.errors.InsufficientPrivilege:
        raise StoreError(
            "The database's role may not read the audit log: it needs SELECT on audit_log,"
            " audit_chain, audit_queue and audit_anchors."
        ) from None
    return Place(row.position, bytes(row.hash)) if row else Place(0, GENESIS)


def head(connection: Connection) -> Place:
    """Return the place of the newest row."""
    row = connection.execute(
        "SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1"
    ).fetchone()
    return Place(row.position, bytes(row.hash)) if row else start(connection)


def links(database: Database, after: int) -> Iterator[Link]:
    """Return the links after a position, in order, with constant memory."""
    while True:
        with database.reading() as connection:
            rows = connection.execute(_LINKS, {"after": after}).fetchall()
        for row in rows:
            yield Link(row.position, row.id, bytes(row.hash), row.entry)
        if len(rows) < _PART:
            return
        after = rows[-1].position


@dataclass(frozen=True, slots=True)
class Unchained:
    """Rows that are not in the chain.

    Attributes:
        waiting: number of rows that are about to be chained.
        lost: id of the first row that is neither chained nor waiting, or None.
    """

    waiting: int
    lost: int | None


def unchained(connection: Connection) -> Unchained:
    """Return the rows that are not in the chain, as one statement sees them."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM audit_queue) AS waiting, (SELECT min(id) FROM audit_log"
        " WHERE NOT EXISTS (SELECT FROM audit_chain WHERE audit_chain.id = audit_log.id)"
        " AND NOT EXISTS (SELECT FROM audit_queue WHERE audit_queue.id = audit_log.id)) AS lost"
    ).fetchone()
    assert row is not None
    return Unchained(row.waiting, row.lost)


def try_to_chain(database: Database) -> None:
    """Chain the rows that wait, if the database's role may do so: a reader's may not."""
    from facedex.store.audit_upkeep import chain_all

    try:
        chain_all(database)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction):
        return


def collection_names(connection: Connection) -> dict[str, str]:
    """Return the names of the collections that exist, in all regions, by their digests.

    The mapping is empty if the database's role may not read them.
    """
    try:
        rows = connection.execute(
            "SELECT collection_id, audit_digest('collection', region || '/' || collection_id)"
            " AS digest FROM collections WHERE deleted_at IS NULL"
        ).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        return {}
    return {row.digest: row.collection_id for row in rows}


def digest(connection: Connection, kind: str, name: str) -> str:
    """Return the digest of a name; see :class:`facedex.store.audit.Names`.

    Raises:
        StoreError: if the database's role may not compute it.
    """
    try:
        row = connection.execute("SELECT audit_digest(%s, %s) AS digest", (kind, name)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        raise StoreError(
            "The database's role may not look for names in the audit log: it needs EXECUTE on"
            " audit_digest(text, text)."
        ) from None
    assert row is not None
    found: str = row.digest
    return found
