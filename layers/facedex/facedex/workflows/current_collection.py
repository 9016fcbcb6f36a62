"""The gallery that work is for: a collection that may be deleted or upgraded meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from facedex.store import collections
from facedex.store.collections import Collection, require_model
from facedex.store.database import Connection, Database
from facedex.store.errors import CollectionNotFound, ModelMismatch

Found = TypeVar("Found")


def find_recent(database: Database, collection_id: str) -> Collection:
    """The collection, before costly work, so that a wrong name is answered at once.

    Raises:
        CollectionNotFound: there is none.
        DatabaseUnavailable: the database does not answer.
    """
    return collections.find_recent(database, collection_id)


def search_current(
    database: Database, seen: Collection, search: Callable[[Connection, Collection], Found]
) -> Found:
    """Search the collection that has a name now.

    Args:
        database: where it is.
        seen: the one that had it before, whose model made the probes; while it is there, one round
            trip is all it takes.
        search: searches the collection that it is given.

    Raises:
        CollectionNotFound: there is none.
        ModelMismatch: the vectors of the one that has it now come from another pack.
        DatabaseUnavailable: the database does not answer.
    """
    with refreshing(database, seen), database.reading() as connection:
        try:
            return search(connection, seen)
        except CollectionNotFound:
            # Another may have its name by now: what counts is the collection it names now.
            current = collections.find(connection, seen.collection_id)
            require_model(seen.collection_id, current.model_version, seen.model_version)
            return search(connection, current)


@contextmanager
def refreshing(database: Database, seen: Collection) -> Iterator[None]:
    """See that the next look ahead is at the database if the block raises ModelMismatch."""
    try:
        yield
    except ModelMismatch:
        collections.forget(database, seen.collection_id)
        raise


def find_kept(connection: Connection, collection_id: str, key: int, meanwhile: str) -> Collection:
    """The collection that had this name and key when the work began, whatever its model is by now.

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
    """The collection that had this name and key when the work began, and still has its model.

    Args:
        connection: in a transaction or not.
        collection_id: the collection's name.
        key: the store's key of it.
        model_version: what makes the probes.
        meanwhile: what follows "The collection … was deleted" in the message.

    Raises:
        CollectionNotFound: it was deleted; another may have its name by now.
        ModelMismatch: its vectors are another model's by now.
    """
    collection = find_kept(connection, collection_id, key, meanwhile)
    require_model(collection_id, collection.model_version, model_version)
    return collection
