"""Collections: galleries in which faces are stored and searched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import inf
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg.errors import UniqueViolation

from facedex.store.database import Connection, Database
from facedex.store.store_errors import (
    CollectionExists,
    CollectionNotFound,
    DatabaseUnavailable,
    ModelMismatch,
)
from facedex.store.ttl_cache import TTLCache

# Rows removed in one transaction, so that no statement reaches the timeout.
_BATCH: Final = 20_000

# Seconds for which a deletion removes rows before the response; API Gateway waits 29 seconds.
_PATIENCE: Final = 20.0

# Seconds for which find_recent returns a cached collection, and the size of the cache.
_FRESH: Final = 2.0
_MAX_CACHED: Final = 1000

_SELECT: Final = """SELECT collection_key, collection_id, collections.model_version, created_at,
    upgrades.model_version AS upgrading_to
    FROM collections LEFT JOIN upgrades USING (collection_key)"""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection.

    Attributes:
        key: the store's own key; never reused, even if the name is.
        collection_id: the name that its users gave it.
        model_version: the version of the pack that made all vectors in it.
        created_at: time of its creation, with time zone.
        upgrading_to: the model version that it is being upgraded to, or None.
    """

    key: int
    collection_id: str
    model_version: str
    created_at: datetime
    upgrading_to: str | None = None


def create(connection: Connection, collection_id: str, model_version: str) -> Collection:
    """Create an empty collection in the connection's region.

    Raises:
        CollectionExists: if the name is taken in the region.
    """
    try:
        row = connection.execute(
            "INSERT INTO collections (region, collection_id, model_version) VALUES (%s, %s, %s)"
            " RETURNING collection_key, created_at",
            (connection.region, collection_id, model_version),
        ).fetchone()
    except UniqueViolation:
        raise CollectionExists(f"The collection id: {collection_id} already exists") from None
    assert row is not None
    return Collection(row.collection_key, collection_id, model_version, row.created_at)


def find(connection: Connection, collection_id: str, *, for_update: bool = False) -> Collection:
    """Return the collection of that name in the connection's region.

    Args:
        for_update: keep the collection's rows and its model until the transaction ends; for
            writers. Writers do not block each other, nor the deletion of the collection, which
            removes what they have written.

    Raises:
        CollectionNotFound: if no collection has the name.
    """
    row = connection.execute(
        f"{_SELECT} WHERE region = %s AND collection_id = %s AND deleted_at IS NULL"
        + (" FOR KEY SHARE OF collections" if for_update else ""),
        (connection.region, collection_id),
    ).fetchone()
    if row is None:
        raise _not_found(collection_id)
    return _collection(row)


def find_key(connection: Connection, key: int) -> Collection | None:
    """Return the collection with that key, in whatever region, or None if it was deleted."""
    row = connection.execute(
        f"{_SELECT} WHERE collection_key = %s AND deleted_at IS NULL", (key,)
    ).fetchone()
    return None if row is None else _collection(row)


def require_kept(connection: Connection, collection: Collection) -> None:
    """Check that a collection is unchanged since it was found.

    Raises:
        CollectionNotFound: if the collection was deleted.
        ModelMismatch: if the collection was upgraded to another model.
    """
    row = connection.execute(
        "SELECT model_version FROM collections WHERE collection_key = %s AND deleted_at IS NULL",
        (collection.key,),
    ).fetchone()
    if row is None:
        raise deleted_error(collection)
    require_model(collection.collection_id, row.model_version, collection.model_version)


def deleted_error(collection: Collection) -> CollectionNotFound:
    """Return the error for a collection that was deleted after it was found."""
    return _not_found(collection.collection_id)


def require_model(collection_id: str, present: str, wanted: str) -> None:
    """Check that vectors of a model may be stored in a collection, or compared with its own.

    Args:
        collection_id: for the message.
        present: the collection's model version.
        wanted: the model version of the vectors.

    Raises:
        ModelMismatch: if the two versions differ.
    """
    if present != wanted:
        raise ModelMismatch(
            f"The collection {collection_id} was moved from the model {wanted} to {present} in the"
            " meantime; try again."
        )


def find_recent(database: Database, collection_id: str) -> Collection:
    """Return the collection of that name in the database's region, as of up to two seconds ago.

    Call it before costly work, so that a wrong name is reported at once. The statement that later
    reads or writes the rows decides whether the collection still exists.

    Raises:
        CollectionNotFound: if no collection has the name.
        DatabaseUnavailable: if the database does not answer.
    """

    def read() -> Collection:
        with database.reading() as connection:
            return find(connection, collection_id)

    found = _recent(database).find(_cache_key(database, collection_id), read)
    assert found is not None
    return found


def forget(database: Database, collection_id: str) -> None:
    """Make the next :func:`find_recent` of that name read the database."""
    _recent(database).forget(_cache_key(database, collection_id))


def page(connection: Connection, *, after: int, limit: int) -> list[Collection]:
    """Return at most ``limit`` collections of the connection's region, after key ``after``.

    They are in the order of creation.
    """
    rows = connection.execute(
        f"{_SELECT} WHERE region = %s AND collection_key > %s AND deleted_at IS NULL"
        " ORDER BY collection_key LIMIT %s",
        (connection.region, after, limit),
    )
    return [_collection(row) for row in rows]


def count_by_model(connection: Connection) -> dict[str, int]:
    """Return the number of collections of each model version, in all regions."""
    rows = connection.execute(
        "SELECT model_version, count(*) AS number FROM collections WHERE deleted_at IS NULL"
        " GROUP BY model_version ORDER BY model_version"
    )
    return {row.model_version: row.number for row in rows}


def count_by_region(connection: Connection) -> dict[str, int]:
    """Return the number of collections of each region other than the connection's."""
    rows = connection.execute(
        "SELECT region, count(*) AS number FROM collections"
        " WHERE region <> %s AND deleted_at IS NULL GROUP BY region ORDER BY region",
        (connection.region,),
    )
    return {row.region: row.number for row in rows}


def delete(database: Database, collection_id: str) -> None:
    """Delete a collection: hide it at once, and remove its rows.

    If the removal is interrupted, the collection stays hidden, and the next :func:`sweep` of any
    process finishes it.

    Raises:
        CollectionNotFound: if no collection has the name.
        DatabaseUnavailable: if the database does not answer; nothing was deleted.
    """
    with database.transaction(frees=True) as connection:
        row = connection.execute(
            "UPDATE collections SET deleted_at = now()"
            " WHERE region = %s AND collection_id = %s AND deleted_at IS NULL"
            " RETURNING collection_key",
            (connection.region, collection_id),
        ).fetchone()
        if row is None:
            raise _not_found(collection_id)
    forget(database, collection_id)
    end = monotonic() + _PATIENCE
    try:
        while monotonic() < end and _remove_some(database, row.collection_key):
            pass
    except DatabaseUnavailable:
        # The deletion itself is committed. If this raised an error, the caller would retry and be
        # informed that the collection does not exist.
        return


def sweep(database: Database, *, seconds: float = inf) -> None:
    """Remove rows of deleted collections until there are none or the time has expired."""
    end = monotonic() + seconds
    while monotonic() < end and _remove_some(database):
        pass


def _remove_some(database: Database, key: int | None = None) -> bool:
    """Remove some rows of a deleted collection; return whether there may be more.

    With a key, wait for writers that began before the deletion. Without a key, choose any
    collection that no other process is working on.
    """
    with database.transaction(frees=True) as connection:
        row = connection.execute(
            "SELECT collection_key FROM collections WHERE deleted_at IS NOT NULL"
            + (
                " ORDER BY collection_key LIMIT 1 FOR UPDATE SKIP LOCKED"
                if key is None
                else " AND collection_key = %(key)s FOR UPDATE"
            ),
            {"key": key},
        ).fetchone()
        if row is None:
            return False
        parameters = (row.collection_key,)
        # Writers of vectors for an upgrade lock it before the faces.
        connection.execute("SELECT FROM upgrades WHERE collection_key = %s FOR UPDATE", parameters)
        # Faces before users, because faces refer to users.
        for table, column in (("faces", "face_id"), ("users", "user_id")):
            removed = connection.execute(
                f"DELETE FROM {table} WHERE collection_key = %s AND {column} IN"
                f" (SELECT {column} FROM {table} WHERE collection_key = %s LIMIT {_BATCH})",
                parameters * 2,
            ).rowcount
            if removed == _BATCH:
                return True
        connection.execute("DELETE FROM collection_counts WHERE collection_key = %s", parameters)
        connection.execute("DELETE FROM collections WHERE collection_key = %s", parameters)
        return True


def _not_found(collection_id: str) -> CollectionNotFound:
    return CollectionNotFound(f"The collection id: {collection_id} does not exist")


def _cache_key(database: Database, collection_id: str) -> str:
    return f"{database.region}/{collection_id}"


def _recent(database: Database) -> TTLCache[Collection]:
    return _RECENT.setdefault(database.whole, TTLCache(seconds=_FRESH, limit=_MAX_CACHED))


_RECENT: Final[WeakKeyDictionary[Database, TTLCache[Collection]]] = WeakKeyDictionary()


def _collection(row: Any) -> Collection:
    return Collection(
        row.collection_key,
        row.collection_id,
        row.model_version,
        row.created_at,
        row.upgrading_to,
    )
