"""Users: people with several faces, matched by the normalised mean of their faces' vectors.

A writer that changes a user's faces first locks the user's row, so that the user's vector is always
the mean of its faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.errors import UniqueViolation

from facedex.store import requests
from facedex.store.collections import Collection
from facedex.store.counting import COUNTED
from facedex.store.database import Connection
from facedex.store.faces import LOCKED
from facedex.store.store_errors import UserExists, UserNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class User:
    """A user.

    Attributes:
        has_faces: whether any face is associated with it.
    """

    user_id: str
    has_faces: bool


def create(connection: Connection, collection: Collection, user_id: str) -> None:
    """Create a user without faces.

    Raises:
        UserExists: if the name is taken in this collection.
    """
    try:
        connection.execute(
            f"""
            WITH changed AS (
                INSERT INTO users (collection_key, user_id) VALUES (%(collection)s, %(user)s)
                RETURNING 0 AS faces, 1 AS users
            ) {COUNTED}
            """,
            {"collection": collection.key, "user": user_id},
        )
    except UniqueViolation:
        raise UserExists(f"The user id: {user_id} already exists") from None


def delete(connection: Connection, collection: Collection, user_id: str) -> None:
    """Remove a user; its faces remain, without a user, and no stored response names it.

    Raises:
        UserNotFound: if the user does not exist.
    """
    lock(connection, collection, user_id)
    names = {"collection": collection.key, "user": user_id}
    # Also the faces that are known not to be the user's: this knowledge is removed with the user
    # and with the faces, so that the deletion of such faces must not cross this one. An array,
    # because Postgres might join a subquery with all faces of the collection.
    connection.execute(
        f"""
        SELECT FROM faces
        WHERE collection_key = %(collection)s AND face_id = ANY(ARRAY(
            SELECT face_id FROM faces
            WHERE collection_key = %(collection)s AND user_id = %(user)s
            UNION ALL
            SELECT face_id FROM distinctions
            WHERE collection_key = %(collection)s AND user_id = %(user)s
        ))
        {LOCKED}
        """,
        names,
    )
    connection.execute(
        "UPDATE faces SET user_id = NULL"
        " WHERE collection_key = %(collection)s AND user_id = %(user)s",
        names,
    )
    requests.forget_user(connection, collection, user_id)
    connection.execute(
        f"""
        WITH changed AS (
            DELETE FROM users WHERE collection_key = %(collection)s AND user_id = %(user)s
            RETURNING 0 AS faces, -1 AS users
        ) {COUNTED}
        """,
        names,
    )


def find(connection: Connection, collection: Collection, user_id: str) -> User:
    """Return the user of that name.

    Raises:
        UserNotFound: if the user does not exist.
    """
    row = connection.execute(
        "SELECT user_id, vector IS NOT NULL AS has_faces FROM users"
        " WHERE collection_key = %s AND user_id = %s",
        (collection.key, user_id),
    ).fetchone()
    if row is None:
        raise _not_found(user_id)
    return User(row.user_id, row.has_faces)


def page(
    connection: Connection, collection: Collection, *, after: str | None, limit: int
) -> list[User]:
    """Return at most ``limit`` users in the order of their ids, after id ``after``."""
    rows = connection.execute(
        "SELECT user_id, vector IS NOT NULL AS has_faces FROM users"
        " WHERE collection_key = %(collection)s"
        " AND (%(after)s::text IS NULL OR user_id > %(after)s)"
        " ORDER BY user_id LIMIT %(limit)s",
        {"collection": collection.key, "after": after, "limit": limit},
    )
    return [User(row.user_id, row.has_faces) for row in rows]


def vector(
    connection: Connection, collection: Collection, user_id: str
) -> NDArray[np.float32] | None:
    """Return the vector of a user, (d,) float32 of unit length, or None if it has no faces.

    Raises:
        UserNotFound: if the user does not exist.
    """
    row = connection.execute(
        "SELECT vector::real[] AS vector FROM users WHERE collection_key = %s AND user_id = %s",
        (collection.key, user_id),
    ).fetchone()
    if row is None:
        raise _not_found(user_id)
    if row.vector is None:
        return None
    import numpy as np

    return np.asarray(row.vector, dtype=np.float32)


def lock(connection: Connection, collection: Collection, user_id: str) -> None:
    """Lock a user's row until the transaction ends.

    Raises:
        UserNotFound: if the user does not exist.
    """
    row = connection.execute(
        "SELECT 1 FROM users WHERE collection_key = %s AND user_id = %s FOR UPDATE",
        (collection.key, user_id),
    ).fetchone()
    if row is None:
        raise _not_found(user_id)


def _not_found(user_id: str) -> UserNotFound:
    return UserNotFound(f"The user id: {user_id} does not exist")
