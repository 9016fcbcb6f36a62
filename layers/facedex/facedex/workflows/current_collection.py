"""The collection that work is for, which may be deleted or upgraded while the work runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from facedex.store import collections
from facedex.store.collections import Collection, require_model
from facedex.store.database import Connection, Database
from facedex.store.store_errors import CollectionNotFound, ModelMismatch

Found = TypeVar("Found")


def search_current(
    database: Database, seen: Collection, search: Callable[[Connection, Collection], Found]
) -> Found:
    """Search the collection that currently has a name.

    Args:
        database: where the collection is.
        seen: the collection that had the name earlier, whose model made the probes. If it still
            exists, the search takes one round trip.
        search: searches the given collection.

    Raises:
        CollectionNotFound: if no collection has the name.
        ModelMismatch: if the collection that has the name now uses another pack.
        DatabaseUnavailable: if the database does not answer.
    """
    with refreshing(database, seen), database.reading() as connection:
        try:
            return search(connection, seen)
        except CollectionNotFound:
            # Another collection may have the name by now; if so, search that one.
            current = collections.find(connection, seen.collection_id)
            require_model(seen.collection_id, current.model_version, seen.model_version)
            return search(connection, current)


@contextmanager
def refreshing(database: Database, seen: Collection) -> Iterator[None]:
    """Remove the collection from the cache of ``find_recent`` if the block raises ModelMismatch."""
    try:
        yield
    except ModelMismatch:
        collections.forget(database, seen.collection_id)
        raise


def find_kept(connection: Connection, collection_id: str, key: int, meanwhile: str) -> Collection:
    """Return the collection that had this key when the work began, whatever its model.

    A worker works for all regions, so it finds the collection by its key, not by its name.

    Args:
        connection: in a transaction or not.
        collection_id: the collection's name, for the message.
        key: the store's key of the collection.
        meanwhile: text that follows "The collection … was deleted" in the message.

    Raises:
        CollectionNotFound: if it was deleted, even if another collection has its name now.
    """
    collection = collections.find_key(connection, key)
    if collection is None:
        raise CollectionNotFound(f"The collection {collection_id} was deleted{meanwhile}.")
    return collection


def find_same(
    connection: Connection, collection_id: str, key: int, model_version: str, meanwhile: str
) -> Collection:
    """Return the collection that had this key when the work began, and still has its model.

    Args:
        connection: in a transaction or not.
        collection_id: the collection's name, for the message.
        key: the store's key of the collection.
        model_version: model version of the pack that makes the probes.
        meanwhile: text that follows "The collection … was deleted" in the message.

    Raises:
        CollectionNotFound: if it was deleted, even if another collection has its name now.
        ModelMismatch: if its vectors come from another model by now.
    """
    collection = find_kept(connection, collection_id, key, meanwhile)
    require_model(collection_id, collection.model_version, model_version)
    return collection
