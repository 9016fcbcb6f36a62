"""The gallery that work of some length is for: a collection that may be deleted meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from facedex.store import collections, faces
from facedex.store.collections import Collection
from facedex.store.database import Connection, Database
from facedex.store.errors import CollectionNotFound

Found = TypeVar("Found")


def look_ahead(database: Database, collection_id: str, model_version: str) -> Collection:
    """The collection, before costly work, so that a wrong name is answered at once.

    Args:
        model_version: the pack whose vectors are to be put into it, or compared with it.

    Raises:
        CollectionNotFound: there is none.
        ModelMismatch: its vectors come from another pack.
        DatabaseUnavailable: nobody knows.
    """
    collection = collections.look_ahead(database, collection_id)
    if collection.model_version != model_version:
        # Another process may have replaced it a moment ago, as the error tells users to do.
        with database.reading() as connection:
            collection = collections.find(connection, collection_id)
        faces.require_model(collection, model_version)
    return collection


def search_current(
    database: Database,
    seen: Collection,
    model_version: str,
    search: Callable[[Connection, Collection], Found],
) -> tuple[Collection, Found]:
    """Search the collection that has a name now.

    Args:
        seen: the one that had it before; while it is there, one round trip is all it takes.
        model_version: the pack that made the probes.
        search: searches the collection that it is given.

    Returns:
        The collection that was searched, and what was found.

    Raises:
        CollectionNotFound: there is none.
        ModelMismatch: the vectors of one made anew come from another pack.
        DatabaseUnavailable: the database does not answer.
    """
    with database.reading() as connection:
        try:
            return seen, search(connection, seen)
        except CollectionNotFound:
            # Another may have its name by now: what counts is the collection it names now.
            current = collections.find(connection, seen.collection_id)
            faces.require_model(current, model_version)
            return current, search(connection, current)


def find_same(connection: Connection, collection_id: str, key: int, meanwhile: str) -> Collection:
    """The collection that had this name and key when the work began.

    Args:
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
