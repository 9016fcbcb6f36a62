"""Users: people with several faces, matched by the normalised mean of their faces' vectors.

Whoever changes a user's faces first locks the user's row, so that its vector always is the mean of
the faces that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.errors import UniqueViolation

from facedex.store.collections import Collection
from facedex.store.counting import COUNTED
from facedex.store.database import Connection
from facedex.store.errors import TooManyFaces, UserExists, UserNotFound
from facedex.store.faces import LOCKED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Rekognition's limit.
MOST_FACES: Final = 100


@dataclass(frozen=True, slots=True)
class User:
    """A user.

    Attributes:
        has_faces: whether any face is associated with it.
    """

    user_id: str
    has_faces: bool


@dataclass(slots=True)
class Association:
    """What became of the faces that were to be associated with a user.

    Attributes:
        associated: in the order asked for; faces that the user had already are not among them.
        missing: not in the collection.
        taken: by user id, those that belong to another user.
        unlike: with their scores, those too unlike the user.
        surplus: those for which the user has no room.
    """

    associated: list[UUID] = field(default_factory=list)
    missing: list[UUID] = field(default_factory=list)
    taken: dict[UUID, str] = field(default_factory=dict)
    unlike: dict[UUID, float] = field(default_factory=dict)
    surplus: list[UUID] = field(default_factory=list)


@dataclass(slots=True)
class Disassociation:
    """What became of the faces that were to be disassociated from a user.

    Attributes:
        disassociated: in the order asked for; faces of no user are not among them.
        missing: not in the collection.
        taken: by user id, those that belong to another user.
    """

    disassociated: list[UUID] = field(default_factory=list)
    missing: list[UUID] = field(default_factory=list)
    taken: dict[UUID, str] = field(default_factory=dict)


def create(connection: Connection, collection: Collection, user_id: str) -> None:
    """Make a user without faces.

    Raises:
        UserExists: the name is taken in this collection.
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
    """Remove a user; its faces stay, as nobody's.

    Raises:
        UserNotFound: there is none.
    """
    _lock(connection, collection, user_id)
    names = {"collection": collection.key, "user": user_id}
    connection.execute(
        f"""
        UPDATE faces SET user_id = NULL
        WHERE collection_key = %(collection)s AND face_id IN (
            SELECT face_id FROM faces
            WHERE collection_key = %(collection)s AND user_id = %(user)s
            {LOCKED}
        )
        """,
        names,
    )
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
    """The user of that name.

    Raises:
        UserNotFound: there is none.
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
    """At most ``limit`` users in the order of their ids, from behind id ``after``."""
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
    """The vector of a user, (d,) float32 of unit length, or None if it has no faces.

    Raises:
        UserNotFound: there is no such user.
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


def associate(
    connection: Connection,
    collection: Collection,
    user_id: str,
    face_ids: Sequence[UUID],
    *,
    min_score: float,
) -> Association:
    """Give faces to a user.

    Args:
        min_score: least inner product of a face with the user's vector, for a user that has
            faces already.

    Raises:
        UserNotFound: there is no such user.
        TooManyFaces: it has all the faces that it may have, and a face could still be added.
    """
    _lock(connection, collection, user_id)
    found = _candidates(connection, collection, user_id, face_ids)
    room = MOST_FACES - _count_faces(connection, collection, user_id)
    outcome = Association()
    for face_id in face_ids:
        row = found.get(face_id)
        if row is None:
            outcome.missing.append(face_id)
        elif row.user_id == user_id:
            continue
        elif row.user_id is not None:
            outcome.taken[face_id] = row.user_id
        elif row.score is not None and row.score < min_score:
            outcome.unlike[face_id] = row.score
        elif room == 0:
            raise TooManyFaces(
                f"The user id: {user_id} has {MOST_FACES} faces, and may have no more"
            )
        elif len(outcome.associated) == room:
            outcome.surplus.append(face_id)
        else:
            outcome.associated.append(face_id)
    if outcome.associated:
        _assign(connection, collection, user_id, outcome.associated, to=user_id)
    return outcome


def disassociate(
    connection: Connection, collection: Collection, user_id: str, face_ids: Sequence[UUID]
) -> Disassociation:
    """Take faces from a user.

    Raises:
        UserNotFound: there is no such user.
    """
    _lock(connection, collection, user_id)
    found = _candidates(connection, collection, user_id, face_ids)
    outcome = Disassociation()
    for face_id in face_ids:
        row = found.get(face_id)
        if row is None:
            outcome.missing.append(face_id)
        elif row.user_id == user_id:
            outcome.disassociated.append(face_id)
        elif row.user_id is not None:
            outcome.taken[face_id] = row.user_id
    if outcome.disassociated:
        _assign(connection, collection, user_id, outcome.disassociated, to=None)
    return outcome


def _lock(connection: Connection, collection: Collection, user_id: str) -> None:
    row = connection.execute(
        "SELECT 1 FROM users WHERE collection_key = %s AND user_id = %s FOR UPDATE",
        (collection.key, user_id),
    ).fetchone()
    if row is None:
        raise _not_found(user_id)


def _candidates(
    connection: Connection, collection: Collection, user_id: str, face_ids: Sequence[UUID]
) -> dict[UUID, Any]:
    rows = connection.execute(
        f"""
        SELECT faces.face_id, faces.user_id, -(faces.vector <#> users.vector) AS score
        FROM faces JOIN users ON users.collection_key = faces.collection_key
        WHERE faces.collection_key = %(collection)s AND faces.face_id = ANY(%(ids)s)
            AND users.user_id = %(user)s
        {LOCKED}
        """,
        {"collection": collection.key, "ids": list(face_ids), "user": user_id},
    )
    return {row.face_id: row for row in rows}


def _count_faces(connection: Connection, collection: Collection, user_id: str) -> int:
    row = connection.execute(
        "SELECT count(*) AS faces FROM faces WHERE collection_key = %s AND user_id = %s",
        (collection.key, user_id),
    ).fetchone()
    assert row is not None
    return int(row.faces)


def _assign(
    connection: Connection,
    collection: Collection,
    user_id: str,
    face_ids: Sequence[UUID],
    *,
    to: str | None,
) -> None:
    names = {"collection": collection.key, "user": user_id, "to": to, "ids": list(face_ids)}
    connection.execute(
        "UPDATE faces SET user_id = %(to)s"
        " WHERE collection_key = %(collection)s AND face_id = ANY(%(ids)s)",
        names,
    )
    connection.execute(
        """
        UPDATE users SET vector = (
            SELECT l2_normalize(avg(faces.vector)) FROM faces
            WHERE faces.collection_key = %(collection)s AND faces.user_id = %(user)s
        )
        WHERE collection_key = %(collection)s AND user_id = %(user)s
        """,
        names,
    )


def _not_found(user_id: str) -> UserNotFound:
    return UserNotFound(f"The user id: {user_id} does not exist")
