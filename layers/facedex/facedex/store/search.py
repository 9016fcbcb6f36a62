"""The one seam of search: every operation, video worker and stream finds faces through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from facedex.store.collections import Collection, require_kept
from facedex.store.database import Connection
from facedex.store.errors import ModelMismatch
from facedex.store.faces import COLUMNS, StoredFace, stored_face
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


def search(
    connection: Connection,
    collection: Collection,
    probes: Sequence[NDArray[np.float32]],
    *,
    limit: int,
    min_score: float,
    exclude: UUID | None = None,
) -> list[list[Match]]:
    """The gallery's faces most like each probe, best first; exact.

    Args:
        probes: (d,) unit vectors of the collection's model.
        limit: at most so many matches for each probe.
        min_score: none below this inner product.
        exclude: id of a face that never matches: the probe's own.

    Returns:
        A list of matches for each probe, in the order of ``probes``.

    Raises:
        CollectionNotFound: it has been deleted.
        ModelMismatch: its vectors are another model's by now.
    """
    found: list[list[Match]] = [[] for _ in probes]
    if not found:
        require_kept(connection, collection)
        return found
    for row in _run(_FACES, connection, collection, probes, limit, min_score, exclude):
        if row.face_id is not None:
            found[row.probe - 1].append(Match(stored_face(row), row.score))
    return found


def search_users(
    connection: Connection,
    collection: Collection,
    probe: NDArray[np.float32],
    *,
    limit: int,
    min_score: float,
    exclude: str | None = None,
) -> list[UserMatch]:
    """The gallery's users most like a probe, best first; exact.

    Args:
        probe: (d,) unit vector of the collection's model.
        limit: at most so many matches.
        min_score: none below this inner product.
        exclude: id of a user that never matches: the probe's own.

    Raises:
        CollectionNotFound: it has been deleted.
        ModelMismatch: its vectors are another model's by now.
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
    """The rows of the query behind the seam, at least one for each probe."""
    names = [f"probe_{number}" for number in range(len(probes))]
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
    if not rows:
        require_kept(connection, collection)
        raise ModelMismatch(f"The collection {collection.collection_id} changed; try again.")
    return rows


@dataclass(frozen=True, slots=True)
class _Gallery:
    """A table that is searched, the column that identifies its rows, and those that are read."""

    table: str
    key: str
    columns: str


_FACES: Final = _Gallery("faces", "face_id", COLUMNS)
_USERS: Final = _Gallery("users", "user_id", "user_id")


def _nearest(
    gallery: _Gallery, collection: Collection, probes: Sequence[str], leaves_out: bool
) -> str:
    """The query behind the seam.

    The lowest score comes before the sort: it leaves a handful of rows, whose distance is then
    computed twice, where sorting all of them would take longer than the scan. No index orders the
    scan: on face galleries an HNSW index loses one true match in five.

    A probe that resembles nobody has one row without a face. A collection that was deleted, or
    whose vectors are another model's by now, has no row: so one round trip tells these apart, and
    vectors of two models never meet. The condition on the model stands inside too, so that the
    gallery is not read first, whose vectors may have another dimension.

    The collection's key is part of the text, so that each collection has a statement of its own,
    which is planned once for its size: one plan for all is bad for the largest or for the others.

    Args:
        probes: the names of the parameters that have them.
    """
    table, key, columns = gallery.table, gallery.key, gallery.columns
    vectors = ", ".join(f"%({probe})s" for probe in probes)
    others = f"AND {key} <> %(exclude)s" if leaves_out else ""
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
