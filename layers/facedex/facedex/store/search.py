"""The search for similar faces and users, which operations, video jobs and streams share.

A gallery with a copy in memory is searched there (``resident_search.py``), any other in SQL. Both
answers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from facedex.observability import metrics
from facedex.observability.recording import timing
from facedex.store import resident_search
from facedex.store.collections import Collection, require_kept
from facedex.store.copies import FACES, USERS, Kind
from facedex.store.database import Connection
from facedex.store.faces import COLUMNS, StoredFace, stored_face
from facedex.store.store_errors import ModelMismatch
from facedex.store.vectors import to_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Match:
    """A face of the gallery that resembles a probe.

    Attributes:
        score: inner product of the two unit vectors, -1 to 1.
    """

    face: StoredFace
    score: float


@dataclass(frozen=True, slots=True)
class UserMatch:
    """A user of the gallery that resembles a probe.

    Attributes:
        score: inner product of the two unit vectors, -1 to 1.
    """

    user_id: str
    score: float


@timing(metrics.SEARCH_DURATION, "faces")
def search(
    connection: Connection,
    collection: Collection,
    probes: Sequence[NDArray[np.float32]],
    *,
    limit: int,
    min_score: float,
    exclude: UUID | None = None,
) -> list[list[Match]]:
    """Return the gallery's faces most similar to each probe, best first, by exact search.

    Args:
        probes: (d,) unit vectors of the collection's model.
        limit: maximum number of matches per probe.
        min_score: minimum inner product of a match.
        exclude: id of a face that never matches, such as the probe's own.

    Returns:
        A list of matches for each probe, in the order of ``probes``.

    Raises:
        CollectionNotFound: if the collection was deleted.
        ModelMismatch: if the collection was upgraded to another model.
    """
    found: list[list[Match]] = [[] for _ in probes]
    if not found:
        require_kept(connection, collection)
        return found
    for row in _run(_FACES, connection, collection, probes, limit, min_score, exclude):
        if row.face_id is not None:
            found[row.probe - 1].append(Match(stored_face(row), row.score))
    return found


@timing(metrics.SEARCH_DURATION, "users")
def search_users(
    connection: Connection,
    collection: Collection,
    probe: NDArray[np.float32],
    *,
    limit: int,
    min_score: float,
    exclude: str | None = None,
) -> list[UserMatch]:
    """Return the gallery's users most similar to a probe, best first, by exact search.

    Args:
        probe: (d,) unit vector of the collection's model.
        limit: maximum number of matches.
        min_score: minimum inner product of a match.
        exclude: id of a user that never matches, such as the probe's own.

    Raises:
        CollectionNotFound: if the collection was deleted.
        ModelMismatch: if the collection was upgraded to another model.
    """
    rows = _run(_USERS, connection, collection, [probe], limit, min_score, exclude)
    return [UserMatch(row.user_id, row.score) for row in rows if row.user_id is not None]


def _run(
    gallery: _Gallery,
    connection: Connection,
    collection: Collection,
    probes: Sequence[NDArray[np.float32]],
    limit: int,
    min_score: float,
    exclude: UUID | str | None,
) -> list[Any]:
    """Return the rows of the search query, at least one for each probe."""
    if connection.residents:
        resident_rows = resident_search.search(
            connection.residents,
            connection,
            gallery.kind,
            gallery.columns,
            collection,
            probes,
            limit=limit,
            min_score=min_score,
            exclude=exclude,
        )
        if resident_rows is not None:
            connection.residents.work(connection, 0.0)
            return _require_rows(connection, collection, resident_rows)
    names = [f"probe_{number}" for number in range(len(probes))]
    begun = perf_counter()
    rows = connection.execute(
        _nearest(gallery, collection, names, exclude is not None),
        {
            "limit": limit,
            "lowest": min_score,
            "exclude": exclude,
            "model": collection.model_version,
            **{name: to_text(probe) for name, probe in zip(names, probes, strict=True)},
        },
    ).fetchall()
    if connection.residents:
        connection.residents.work(connection, perf_counter() - begun)
    return _require_rows(connection, collection, rows)


def _require_rows(connection: Connection, collection: Collection, rows: list[Any]) -> list[Any]:
    """Return the rows, or raise the reason why there are none."""
    if not rows:
        require_kept(connection, collection)
        raise ModelMismatch(f"The collection {collection.collection_id} changed; try again.")
    return rows


@dataclass(frozen=True, slots=True)
class _Gallery:
    """A searched table, and the columns to read."""

    kind: Kind
    columns: str


_FACES: Final = _Gallery(FACES, COLUMNS)
_USERS: Final = _Gallery(USERS, "user_id")


def _nearest(
    gallery: _Gallery, collection: Collection, probes: Sequence[str], excludes: bool
) -> str:
    """Return the search query.

    The minimum score is applied before the sort. Few rows remain, whose distances are computed
    twice; sorting all rows would take longer than the scan. The scan uses no index: on face
    galleries, an HNSW index misses one true match in five.

    A probe without a match has one row without a face. A collection that was deleted or upgraded to
    another model has no row. One round trip therefore distinguishes these cases, and vectors of two
    models are never compared. The inner query repeats the condition on the model, so that vectors
    that may have another dimension are not read.

    The text contains the collection's key, so that each collection has its own prepared statement,
    planned for its size. A shared plan would suit either the largest collection or the others.

    Args:
        probes: names of the parameters that hold the probes.
    """
    table, key, columns = gallery.kind.table, gallery.kind.order, gallery.columns
    vectors = ", ".join(f"%({probe})s" for probe in probes)
    others = f"AND {key} <> %(exclude)s" if excludes else ""
    return f"""
    SELECT probe.number AS probe, -nearest.distance AS score, {columns}
    FROM collections
    CROSS JOIN unnest(ARRAY[{vectors}]::halfvec[]) WITH ORDINALITY AS probe (vector, number)
    LEFT JOIN LATERAL (
        SELECT {columns}, gallery.vector <#> probe.vector AS distance
        FROM {table} AS gallery
        WHERE collection_key = {collection.key:d}
            AND collections.model_version = %(model)s
            AND gallery.vector <#> probe.vector <= -%(lowest)s::float8
            {others}
        ORDER BY distance, {key}
        LIMIT %(limit)s
    ) AS nearest ON true
    WHERE collections.collection_key = {collection.key:d} AND collections.deleted_at IS NULL
        AND collections.model_version = %(model)s
    ORDER BY probe.number, nearest.distance, {key}
    """
