"""Tags of collections and stream processors: names and values that callers choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.store_errors import TooManyTags
from facedex.store.stream_processors import StreamProcessor

# AWS's limit for any resource (Tagging guide); the service model's 200 limits a request.
MOST_TAGS: Final = 50

Tagged: TypeAlias = Collection | StreamProcessor

# By kind of resource: the table of its tags, and the column with the resource's key.
_TABLES: Final[Mapping[type[Tagged], tuple[str, str]]] = {
    Collection: ("tags", "collection_key"),
    StreamProcessor: ("stream_processor_tags", "processor_key"),
}


def put(connection: Connection, resource: Tagged, tags: Mapping[str, str]) -> None:
    """Add tags, or replace the values of existing ones.

    Raises:
        TooManyTags: if the resource would have more tags than allowed.
    """
    table, column = _TABLES[type(resource)]
    _lock(connection, resource)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({column}, tag_key, tag_value) VALUES (%s, %s, %s)"
            f" ON CONFLICT ({column}, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
            [(resource.key, name, tags[name]) for name in tags],
        )
    if len(read(connection, resource)) > MOST_TAGS:
        raise TooManyTags(f"A resource may have at most {MOST_TAGS} tags")


def remove(connection: Connection, resource: Tagged, names: Sequence[str]) -> None:
    """Remove tags; unknown names are ignored."""
    table, column = _TABLES[type(resource)]
    _lock(connection, resource)
    connection.execute(
        f"DELETE FROM {table} WHERE {column} = %s AND tag_key = ANY(%s)",
        (resource.key, list(names)),
    )


def read(connection: Connection, resource: Tagged) -> dict[str, str]:
    """Return all tags of a resource."""
    table, column = _TABLES[type(resource)]
    rows = connection.execute(
        f"SELECT tag_key, tag_value FROM {table} WHERE {column} = %s ORDER BY tag_key",
        (resource.key,),
    )
    return {row.tag_key: row.tag_value for row in rows}


def _lock(connection: Connection, resource: Tagged) -> None:
    """Let one request at a time change the tags of a resource, and count them."""
    table, _ = _TABLES[type(resource)]
    connection.execute("SELECT lock_name(%s)", (f"{table}/{resource.key}",))
