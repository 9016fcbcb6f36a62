"""Figures of a database's contents, by which a restored copy is compared with the original.

They contain no vectors: a number of rows and a digest for each table, and what a few searches find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final
from uuid import UUID

from psycopg import sql

from facedex.store import collections, faces
from facedex.store.database import Connection
from facedex.store.search import search

_SEARCHES: Final = 20
_MATCHES: Final = 10
# Processors add the products of two vectors in different orders.
_ROUNDING: Final = 0.001


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of a table.

    Attributes:
        rows: their number.
        digest: the sum of their hashes, which does not depend on their order.
    """

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """The faces that a search with a stored face finds in its collection, best first.

    Attributes:
        collection: the store's key of the collection.
        probe: the FaceId that is searched with.
        matches: FaceIds with their scores.
    """

    collection: int
    probe: str
    matches: tuple[tuple[str, float], ...]


def export(connection: Connection) -> str:
    """Return a name of the state that a transaction sees, and allow the transaction any time.

    Other programs can read the same state by its name until the transaction ends.
    """
    without_limits(connection)
    row = connection.execute("SELECT pg_export_snapshot() AS name").fetchone()
    assert row is not None
    return str(row.name)


def without_limits(connection: Connection) -> None:
    """Allow the statements of this transaction, and the pauses between them, any time."""
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def is_empty(connection: Connection) -> bool:
    """Return whether the database has no table of this product."""
    row = connection.execute("SELECT to_regclass('schema_migrations') IS NULL AS empty").fetchone()
    return row is not None and bool(row.empty)


def tables(connection: Connection) -> dict[str, Contents]:
    """Return the contents of each table by name; call it in a transaction."""
    # Settings that change the text of a value.
    for setting in ("timezone = 'UTC'", "datestyle = 'ISO'", "bytea_output = 'hex'"):
        connection.execute(f"SET LOCAL {setting}")
    names = connection.execute(
        "SELECT relname AS name FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = current_schema()::regnamespace ORDER BY relname"
    ).fetchall()
    return {row.name: _contents(connection, row.name) for row in names}


def _contents(connection: Connection, table: str) -> Contents:
    # 64 bits of each row's hash, added as numbers of any length.
    row = connection.execute(
        sql.SQL(
            "SELECT count(*) AS rows, coalesce(sum(('x' || left(md5(line::text), 16))"
            "::bit(64)::bigint::numeric), 0)::text AS digest FROM {} AS line"
        ).format(sql.Identifier(table))
    ).fetchone()
    assert row is not None
    return Contents(row.rows, row.digest)


def searches(connection: Connection) -> list[Found]:
    """Search with a sample of the stored faces, each in its own collection."""
    rows = connection.execute(
        "SELECT collection_key, face_id FROM faces JOIN collections USING (collection_key)"
        " WHERE deleted_at IS NULL ORDER BY md5(face_id::text) LIMIT %s",
        (_SEARCHES,),
    ).fetchall()
    return [_search(connection, row.collection_key, row.face_id) for row in rows]


def search_again(connection: Connection, before: Found) -> Found:
    """Return what a search finds now.

    Raises:
        StoreError: if the collection or the face does not exist.
    """
    return _search(connection, before.collection, UUID(before.probe))


def _search(connection: Connection, key: int, face_id: UUID) -> Found:
    collection = collections.find_key(connection, key)
    if collection is None:
        return Found(key, str(face_id), ())
    probe = faces.vector(connection, collection, face_id)
    (found,) = search(connection, collection, [probe], limit=_MATCHES, min_score=-1.0)
    matches = tuple((str(match.face.face_id), match.score) for match in found)
    return Found(key, str(face_id), matches)


def alike(before: Found, now: Found) -> bool:
    """Return whether two searches found the same faces, up to the rounding of the scores."""
    scores = [score for _, score in before.matches], [score for _, score in now.matches]
    if len(scores[0]) != len(scores[1]):
        return False
    if any(abs(one - other) > _ROUNDING for one, other in zip(*scores, strict=True)):
        return False
    # Faces whose scores are as low as the last one's may be replaced by others.
    lowest = min(scores[0], default=inf) + _ROUNDING
    present = {face for face, _ in now.matches}
    return all(face in present for face, score in before.matches if score > lowest)


def to_json(contents: Mapping[str, Contents], found: list[Found]) -> dict[str, Any]:
    """Return the figures as values of JSON."""
    return {
        "tables": {name: [each.rows, each.digest] for name, each in contents.items()},
        "searches": [[each.collection, each.probe, each.matches] for each in found],
    }


def from_json(document: Mapping[str, Any]) -> tuple[dict[str, Contents], list[Found]]:
    """Return the figures that :func:`to_json` wrote."""
    contents = {name: Contents(*each) for name, each in document["tables"].items()}
    return contents, list(_founds(document["searches"]))


def _founds(rows: list[Any]) -> Iterator[Found]:
    for collection, probe, matches in rows:
        yield Found(collection, probe, tuple((face, score) for face, score in matches))
