"""Tags of collections: names and values of the caller's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.errors import TooManyTags

# What AWS lets any resource have (its Tagging guide); the service model's 200 bounds a request.
MOST_TAGS: Final = 50


def put(connection: Connection, collection: Collection, tags: Mapping[str, str]) -> None:
    """Add tags; one of the same name takes the new value.

    Raises:
        TooManyTags: the collection would have more than it may.
    """
    # One request at a time counts what a collection has.
    connection.execute("SELECT lock_name(%s)", (f"tags/{collection.key}",))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tags (collection_key, tag_key, tag_value) VALUES (%s, %s, %s)"
            " ON CONFLICT (collection_key, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
            [(collection.key, name, tags[name]) for name in tags],
        )
    if len(read(connection, collection)) > MOST_TAGS:
        raise TooManyTags(f"A collection may have {MOST_TAGS} tags")


def remove(connection: Connection, collection: Collection, names: Sequence[str]) -> None:
    """Remove tags; names that are not there are passed over."""
    connection.execute(
        "DELETE FROM tags WHERE collection_key = %s AND tag_key = ANY(%s)",
        (collection.key, list(names)),
    )


def read(connection: Connection, collection: Collection) -> dict[str, str]:
    """Every tag of a collection."""
    rows = connection.execute(
        "SELECT tag_key, tag_value FROM tags WHERE collection_key = %s ORDER BY tag_key",
        (collection.key,),
    )
    return {row.tag_key: row.tag_value for row in rows}
