"""Upgrades, which give a collection's faces vectors of another model, all at once.

The new vectors are collected beside the faces, and searches use the old ones until the switch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from facedex.store.collections import Collection, deleted_error
from facedex.store.database import Connection, Database
from facedex.store.faces import COLUMNS, KEPT, StoredFace, stored_face
from facedex.store.store_errors import ModelMismatch
from facedex.store.vectors import to_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PAGE: Final = 5000  # images per query
_NONE: Final = UUID(int=0)

# SQL condition: the face has no vector of the new model yet.
PENDING: Final = """NOT EXISTS (
    SELECT 1 FROM upgraded_faces AS upgraded
    WHERE upgraded.collection_key = faces.collection_key AND upgraded.face_id = faces.face_id
)"""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image whose faces are stored.

    Attributes:
        digest: SHA-256 of the bytes that were indexed.
        pending: whether any of its faces has no new vector yet.
    """

    image_id: UUID
    digest: bytes
    external_image_id: str | None
    pending: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """A collection, its size, and the progress of its upgrade, if any.

    Attributes:
        upgraded: number of faces that have a vector of the new model.
    """

    collection: Collection
    faces: int
    users: int
    upgraded: int


def overview(connection: Connection) -> list[Overview]:
    """Return the collections of the connection's region, by name.

    The time grows only with their number and with the faces being upgraded.
    """
    rows = connection.execute(
        """
        SELECT collection_key, collection_id, collections.model_version, created_at,
            upgrades.model_version AS upgrading_to,
            (SELECT coalesce(sum(faces), 0)::bigint FROM collection_counts AS counts
                WHERE counts.collection_key = collections.collection_key) AS faces,
            (SELECT coalesce(sum(users), 0)::bigint FROM collection_counts AS counts
                WHERE counts.collection_key = collections.collection_key) AS users,
            (SELECT count(*) FROM upgraded_faces AS upgraded
                WHERE upgraded.collection_key = collections.collection_key) AS upgraded
        FROM collections LEFT JOIN upgrades USING (collection_key)
        WHERE region = %s AND deleted_at IS NULL ORDER BY collection_id
        """,
        (connection.region,),
    )
    return [
        Overview(
            Collection(
                row.collection_key,
                row.collection_id,
                row.model_version,
                row.created_at,
                row.upgrading_to,
            ),
            row.faces,
            row.users,
            row.upgraded,
        )
        for row in rows
    ]


def begin(connection: Connection, collection: Collection, model_version: str) -> None:
    """Begin an upgrade, or continue one to the same model; one to another model is abandoned.

    Args:
        connection: in a transaction.
        collection: as it was found.
        model_version: the new model.

    Raises:
        CollectionNotFound: if the collection was deleted.
    """
    names = {"collection": collection.key, "model": model_version}
    # Not concurrently with writers: a later writer sees the upgrade.
    row = connection.execute(
        "SELECT FROM collections WHERE collection_key = %(collection)s AND deleted_at IS NULL"
        " FOR UPDATE",
        names,
    ).fetchone()
    if row is None:
        raise deleted_error(collection)
    connection.execute(
        "DELETE FROM upgrades WHERE collection_key = %(collection)s AND model_version <> %(model)s",
        names,
    )
    connection.execute(
        "INSERT INTO upgrades (collection_key, model_version) VALUES (%(collection)s, %(model)s)"
        " ON CONFLICT DO NOTHING",
        names,
    )


def give_up(connection: Connection, collection: Collection) -> bool:
    """Abandon an upgrade and delete its new vectors; return whether there was one.

    Args:
        connection: in a transaction.
        collection: the collection, as it was found.
    """
    # Not concurrently with writers: they delete faces, with their new vectors, in another order.
    connection.execute(
        "SELECT FROM collections WHERE collection_key = %s FOR UPDATE", (collection.key,)
    )
    return bool(
        connection.execute(
            "DELETE FROM upgrades WHERE collection_key = %s", (collection.key,)
        ).rowcount
    )


def images(database: Database, collection: Collection) -> Iterator[StoredImage]:
    """Yield the images of a collection, in the order of their ids."""
    after = _NONE
    while True:
        with database.reading() as connection:
            rows = connection.execute(
                "SELECT image_id, image_digest, external_image_id,"
                f" bool_or({PENDING}) AS pending"
                " FROM faces WHERE collection_key = %s AND image_id > %s"
                " GROUP BY image_id, image_digest, external_image_id"
                f" ORDER BY image_id LIMIT {_PAGE}",
                (collection.key, after),
            ).fetchall()
        for row in rows:
            digest = bytes(row.image_digest)
            yield StoredImage(row.image_id, digest, row.external_image_id, row.pending)
        if len(rows) < _PAGE:
            return
        after = rows[-1].image_id


def pending_faces(
    connection: Connection, collection: Collection, image_id: UUID | None = None
) -> list[StoredFace]:
    """Return the faces without a new vector: of one image, or all of them."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM faces WHERE collection_key = %s AND {PENDING}"
        + (" AND image_id = %s" if image_id else "")
        + " ORDER BY image_id, face_number",
        (collection.key, *([image_id] if image_id else [])),
    )
    return [stored_face(row) for row in rows]


def add_vectors(
    connection: Connection,
    collection: Collection,
    model_version: str,
    vectors: Mapping[UUID, NDArray[np.float32]],
) -> int:
    """Store new vectors of faces until the upgrade is complete; deleted faces are ignored.

    Args:
        connection: in a transaction or not.
        collection: the collection that is being upgraded.
        model_version: the model that made the vectors.
        vectors: vectors by FaceId, each (d,) float of unit length.

    Returns:
        The number of faces that had no new vector.

    Raises:
        ModelMismatch: if the upgrade to this model is no longer in progress.
    """
    row = connection.execute(
        f"""
        WITH under_way AS MATERIALIZED (
            SELECT collection_key FROM upgrades
            WHERE collection_key = %(collection)s AND model_version = %(model)s
            FOR KEY SHARE
        ), present AS MATERIALIZED (
            SELECT faces.collection_key, face_id, new.vector::halfvec AS vector
            FROM under_way
            JOIN faces USING (collection_key)
            JOIN unnest(%(ids)s::uuid[], %(vectors)s::text[]) AS new (id, vector)
                ON new.id = faces.face_id
            {KEPT}
        ), kept AS (
            INSERT INTO upgraded_faces (collection_key, face_id, vector)
            SELECT collection_key, face_id, vector FROM present
            ON CONFLICT (collection_key, face_id) DO UPDATE SET vector = excluded.vector
            RETURNING xmax = 0 AS is_new  -- a row that was updated has the transaction's id
        )
        SELECT count(*) AS upgrades, (SELECT count(*) FROM kept WHERE is_new) AS added
        FROM under_way
        """,
        {
            "collection": collection.key,
            "model": model_version,
            "ids": list(vectors),
            "vectors": [to_text(vector) for vector in vectors.values()],
        },
    ).fetchone()
    assert row is not None
    if not row.upgrades:
        raise ModelMismatch(
            f"The upgrade of the collection {collection.collection_id} to the model"
            f" {model_version} is no longer in progress: the collection was deleted, or another"
            " upgrade of it was started or has ended."
        )
    added: int = row.added
    return added
