"""The collection that work is for, which may be deleted or upgraded while the work runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from facedex.store import collections
from facedex.store.collections import Collection, require_model
from facedex.store.database import Connection, Database
from facedex.store.errors import CollectionNotFound, ModelMismatch

Found = TypeVar("Found")


def search_current(
    database: Database, seen: Collection, search: Callable[[Connection, Collection], Found]
) -> Found:
    """Search the collection that has a name now.

    Args:
        database: where the collection is.
        seen: the collection that had the name before, whose model made the probes. While it
            exists, the search takes one round trip.
        search: searches the collection that it is given.

    Raises:
        CollectionNotFound: there is none.
        ModelMismatch: the vectors of the collection that has the name now come from another pack.
        DatabaseUnavailable: the database does not answer.
    """
    with refreshing(database, seen), database.reading() as connection:
        try:
            return search(connection, seen)
        except CollectionNotFound:
            # Another collection may have the name by now, and counts.
            current = collections.find(connection, seen.collection_id)
            require_model(seen.collection_id, current.model_version, seen.model_version)
            return search(connection, current)


@contextmanager
def refreshing(database: Database, seen: Collection) -> Iterator[None]:
    """Forget the collection that ``find_recent`` remembers if the block raises ModelMismatch."""
    try:
        yield
    except ModelMismatch:
        collections.forget(database, seen.collection_id)
        raise


def find_kept(connection: Connection, collection_id: str, key: int, meanwhile: str) -> Collection:
    """Return the collection that had this name and key when the work began, whatever its model.

    Args:
        connection: in a transaction or not.
        collection_id: the collection's name.
        key: the store's key of it.
        meanwhile: what follows "The collection … was deleted" in the message.

    Raises:
        CollectionNotFound: it was deleted; another may have its name by now.
    """
    try:
        collection = collections.find(connection, collection_id)
    except CollectionNotFound:
        collection = None
    if collection is None or collection.key != key:
        raise CollectionNotFound(f"The collection {collection_id} was deleted{meanwhile}.")
    return collection


def find_same(
    connection: Connection, collection_id: str, key: int, model_version: str, meanwhile: str
) -> Collection:
    """Return the collection that had this name and key when the work began, and has its model.

    Args:
        connection: in a transaction or not.
        collection_id: the collection's name.
        key: the store's key of it.
        model_version: of the pack that makes the probes.
        meanwhile: what follows "The collection … was deleted" in the message.

    Raises:
        CollectionNotFound: it was deleted; another may have its name by now.
        ModelMismatch: its vectors come from another model by now.
    """
    collection = find_kept(connection, collection_id, key, meanwhile)
    require_model(collection_id, collection.model_version, model_version)
    return collection
