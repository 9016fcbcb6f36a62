"""Faces that are known not to be those of a user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from facedex.store.collections import Collection, require_kept
from facedex.store.database import Connection, Database
from facedex.store.faces import COLUMNS, KEPT, StoredFace, stored_face
from facedex.store.store_errors import FaceAssociated, FaceNotFound
from facedex.store.users import lock
from facedex.store.vectors import from_binary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def add(
    connection: Connection, collection: Collection, user_id: str, face_ids: Sequence[UUID]
) -> None:
    """Remember that faces are not those of a user.

    Raises:
        UserNotFound: if the user does not exist.
        FaceNotFound: if the collection lacks one of the faces; none is remembered.
        FaceAssociated: if one of the faces belongs to the user; none is remembered.
    """
    lock(connection, collection, user_id)
    # The faces are not deleted before the end of the transaction.
    rows = connection.execute(
        "SELECT face_id, user_id FROM faces"
        f" WHERE collection_key = %s AND face_id = ANY(%s) {KEPT}",
        (collection.key, list(face_ids)),
    )
    owners = {row.face_id: row.user_id for row in rows}
    for face_id in face_ids:
        if face_id not in owners:
            raise FaceNotFound(f"The face id: {face_id} does not exist")
        if owners[face_id] == user_id:
            raise FaceAssociated(
                f"The face id: {face_id} belongs to the user id: {user_id}; disassociate it first"
            )
    connection.execute(
        "INSERT INTO distinctions (collection_key, face_id, user_id)"
        " SELECT %s, face_id, %s FROM unnest(%s::uuid[]) AS face_id ON CONFLICT DO NOTHING",
        (collection.key, user_id, list(face_ids)),
    )


def remove(
    connection: Connection, collection: Collection, user_id: str, face_ids: Sequence[UUID]
) -> None:
    """Forget that faces are not those of a user, as they have become the user's."""
    connection.execute(
        "DELETE FROM distinctions WHERE collection_key = %s AND user_id = %s AND face_id = ANY(%s)",
        (collection.key, user_id, list(face_ids)),
    )


@dataclass(frozen=True, slots=True)
class Gallery:
    """All faces of a collection, as of one moment.

    Attributes:
        faces: n records, in the order of their ids.
        vectors: (n, d) unit vectors.
        apart: faces, and users whose they are not.
    """

    faces: list[StoredFace]
    vectors: NDArray[np.float32]
    apart: list[tuple[UUID, str]]


def read(database: Database, collection: Collection) -> Gallery:
    """Return all faces of a collection.

    Raises:
        CollectionNotFound: if the collection was deleted.
    """
    with database.reading() as connection, connection.snapshot():
        require_kept(connection, collection)
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(
                f"SELECT {COLUMNS}, halfvec_send(vector) AS vector FROM faces"
                " WHERE collection_key = %s ORDER BY face_id",
                (collection.key,),
            ).fetchall()
        apart = connection.execute(
            "SELECT face_id, user_id FROM distinctions WHERE collection_key = %s",
            (collection.key,),
        ).fetchall()
    return Gallery(
        [stored_face(row) for row in rows],
        from_binary([row.vector for row in rows]),
        [(row.face_id, row.user_id) for row in apart],
    )
