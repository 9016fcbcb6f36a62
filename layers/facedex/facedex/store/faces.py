"""Face records: the stored data of a face, which never include its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from facedex.store.collections import Collection
from facedex.store.counting import COUNTED
from facedex.store.database import Connection
from facedex.store.store_errors import FaceNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS: Final = (
    "face_id, image_id, external_image_id, box_left, box_top, box_width, box_height, confidence,"
    " user_id"
)

# Left, top, width, height as fractions of the image.
Box = tuple[float, float, float, float]

# The ends of queries that lock faces: against all other changes, or only against deletion. All
# requests lock in this order, so that two requests with common faces do not deadlock.
_IN_ORDER: Final = "ORDER BY faces.image_id, faces.face_number"
LOCKED: Final = f"{_IN_ORDER} FOR UPDATE OF faces"
KEPT: Final = f"{_IN_ORDER} FOR KEY SHARE OF faces"

# OFFSET 0 keeps the planner from merging the subquery with the query around it.
_OF_USER: Final = (
    f"SELECT collection_key, {COLUMNS} FROM faces"
    " WHERE collection_key = %(collection)s AND user_id = %(user)s OFFSET 0"
)


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A face record.

    Attributes:
        box: left, top, width, height as fractions of the image.
        confidence: confidence that it is a face, in percent.
        user_id: the user that it is associated with, or None.
    """

    face_id: UUID
    image_id: UUID
    external_image_id: str | None
    box: Box
    confidence: float
    user_id: str | None


def delete(connection: Connection, collection: Collection, face_ids: Sequence[UUID]) -> set[UUID]:
    """Remove faces. Faces of users and unknown ids are ignored.

    Returns:
        The ids of the faces that were removed.
    """
    rows = connection.execute(
        f"""
        WITH removed AS (
            DELETE FROM faces
            WHERE collection_key = %(collection)s AND face_id IN (
                SELECT face_id FROM faces
                WHERE collection_key = %(collection)s AND face_id = ANY(%(ids)s)
                    AND user_id IS NULL
                {LOCKED}
            )
            RETURNING face_id
        ), changed AS (
            SELECT -1 AS faces, 0 AS users FROM removed
        ), counted AS ({COUNTED})
        SELECT face_id FROM removed
        """,
        {"collection": collection.key, "ids": list(face_ids)},
    )
    return {row.face_id for row in rows}


def delete_replaced(
    connection: Connection,
    collection: Collection,
    external_image_id: str,
    *,
    kept: Sequence[bytes],
) -> tuple[set[UUID], int]:
    """Remove the faces with an external id, except those of the kept images.

    Faces of users remain, as with :func:`delete`.

    Args:
        kept: the SHA-256 digests of the images whose faces remain.

    Returns:
        The ids of the faces that were removed, and the number of those that remain because they
        belong to a user.
    """
    rows = connection.execute(
        "SELECT face_id FROM faces WHERE collection_key = %s AND external_image_id = %s"
        " AND image_digest <> ALL(%s)",
        (collection.key, external_image_id, list(kept)),
    )
    found = [row.face_id for row in rows]
    if not found:
        return set(), 0
    removed = delete(connection, collection, found)
    # Another request may have removed some of them since they were found.
    return removed, len(users_of(connection, collection, found))


def page(
    connection: Connection,
    collection: Collection,
    *,
    after: UUID | None,
    limit: int,
    only: Sequence[UUID] | None = None,
    user_id: str | None = None,
) -> list[StoredFace]:
    """Return at most ``limit`` faces in the order of their ids, after id ``after``.

    Args:
        only: if given, only these faces.
        user_id: if given, only faces of this user.
    """
    # A user has few faces, which the index on users finds. For a short page, Postgres would rather
    # read all faces of the collection in the order of their ids: it has no statistics of users.
    source = "faces" if user_id is None else f"({_OF_USER}) AS faces"
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM {source} WHERE collection_key = %(collection)s"
        + (" AND face_id > %(after)s" if after else "")
        + (" AND face_id = ANY(%(only)s)" if only is not None else "")
        + " ORDER BY face_id LIMIT %(limit)s",
        {
            "collection": collection.key,
            "after": after,
            "limit": limit,
            "only": None if only is None else list(only),
            "user": user_id,
        },
    )
    return [stored_face(row) for row in rows]


def users_of(
    connection: Connection, collection: Collection, face_ids: Sequence[UUID]
) -> dict[UUID, str | None]:
    """Return the user, or None, of each of these faces that exists in the collection."""
    rows = connection.execute(
        "SELECT face_id, user_id FROM faces WHERE collection_key = %s AND face_id = ANY(%s)",
        (collection.key, list(face_ids)),
    )
    return {row.face_id: row.user_id for row in rows}


def vector(connection: Connection, collection: Collection, face_id: UUID) -> NDArray[np.float32]:
    """Return the vector of one face: (d,) float32.

    Raises:
        FaceNotFound: if the collection has no such face.
    """
    row = connection.execute(
        "SELECT vector::real[] AS vector FROM faces WHERE collection_key = %s AND face_id = %s",
        (collection.key, face_id),
    ).fetchone()
    if row is None:
        raise FaceNotFound(f"The face id: {face_id} does not exist")
    import numpy as np

    return np.asarray(row.vector, dtype=np.float32)


def stored_face(row: Any) -> StoredFace:
    """Return the record in a row with :data:`COLUMNS`."""
    return StoredFace(
        row.face_id,
        row.image_id,
        row.external_image_id,
        (row.box_left, row.box_top, row.box_width, row.box_height),
        row.confidence,
        row.user_id,
    )
