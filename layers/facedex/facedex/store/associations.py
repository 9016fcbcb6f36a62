"""Associations of faces with users.

A writer that changes a user's faces first locks the user's row, so that the user's vector is always
the mean of its faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from facedex.store import distinctions
from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.faces import LOCKED
from facedex.store.store_errors import TooManyFaces
from facedex.store.users import lock

# Rekognition's limit.
MOST_FACES: Final = 100


@dataclass(slots=True)
class Association:
    """The outcome for the faces that were to be associated with a user.

    Attributes:
        associated: faces that the user got, in the order of the request.
        missing: faces that are not in the collection.
        taken: faces of another user, with that user's id.
        unlike: faces too different from the user, with their scores.
        surplus: faces beyond the maximum number of a user.
    """

    associated: list[UUID] = field(default_factory=list)
    missing: list[UUID] = field(default_factory=list)
    taken: dict[UUID, str] = field(default_factory=dict)
    unlike: dict[UUID, float] = field(default_factory=dict)
    surplus: list[UUID] = field(default_factory=list)


@dataclass(slots=True)
class Disassociation:
    """The outcome for the faces that were to be disassociated from a user.

    Attributes:
        disassociated: faces that the user had, in the order of the request.
        missing: faces that are not in the collection.
        taken: faces of another user, with that user's id.
    """

    disassociated: list[UUID] = field(default_factory=list)
    missing: list[UUID] = field(default_factory=list)
    taken: dict[UUID, str] = field(default_factory=dict)


def associate(
    connection: Connection,
    collection: Collection,
    user_id: str,
    face_ids: Sequence[UUID],
    *,
    min_score: float,
) -> Association:
    """Associate faces with a user.

    Args:
        min_score: minimum inner product of a face with the user's vector, if the user already has
            faces.

    Raises:
        UserNotFound: if the user does not exist.
        TooManyFaces: if the user already has the maximum number of faces.
    """
    lock(connection, collection, user_id)
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
                f"The user id: {user_id} already has the maximum of {MOST_FACES} faces"
            )
        elif len(outcome.associated) == room:
            outcome.surplus.append(face_id)
        else:
            outcome.associated.append(face_id)
    if outcome.associated:
        _assign(connection, collection, user_id, outcome.associated, to=user_id)
        distinctions.remove(connection, collection, user_id, outcome.associated)
    return outcome


def disassociate(
    connection: Connection, collection: Collection, user_id: str, face_ids: Sequence[UUID]
) -> Disassociation:
    """Disassociate faces from a user.

    Raises:
        UserNotFound: if the user does not exist.
    """
    lock(connection, collection, user_id)
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
