"""The gallery that work of some length searches: a collection that may be deleted meanwhile."""

from __future__ import annotations

from facedex.store import collections
from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.errors import CollectionNotFound


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
