"""Groups of a collection's faces that look like one person and do not all belong to one user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from facedex import invocation
from facedex.api.errors import InvalidParameterException
from facedex.store.collections import Collection
from facedex.store.counting import count
from facedex.store.database import Database
from facedex.store.distinctions import Gallery, read
from facedex.store.faces import StoredFace
from facedex.vision.calibration import Calibration
from facedex.vision.grouping import group
from facedex.workflows.current_collection import refreshing

# Seconds of an invocation that the response needs.
_SPARE: Final = 3.0
# Faces that no machine compares within the time of a request. They are not even read: a million
# would take two to three gigabytes of memory.
_MOST_IN_REQUEST: Final = 300_000


@dataclass(frozen=True, slots=True)
class Group:
    """Faces that look like one person.

    Attributes:
        faces: at least two.
        users: the users that have faces in the group, in alphabetical order.
        similarity: similarity of the average pair of its faces, 0 to 100.
    """

    faces: list[StoredFace]
    users: list[str]
    similarity: float


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of a collection.

    Attributes:
        groups: the largest first; not those whose faces belong to one user.
        compared: the number of the collection's faces.
    """

    groups: list[Group]
    compared: int


def group_faces(
    database: Database,
    collection: Collection,
    calibration: Calibration,
    similarity: float,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Grouping:
    """Return groups of faces that look like one person, unless one user has them all.

    Args:
        calibration: that of the collection's model pack.
        similarity: similarity that the faces of a group have on average, 0 to 100.
        on_progress: receives the share of the work that is done, from 0 to 1.

    Raises:
        CollectionNotFound: if the collection was deleted.
        ModelMismatch: if the collection was upgraded to another model.
        InvalidParameterException: if the collection has more faces than can be compared within the
            time of the invocation.
    """
    if isfinite(invocation.remaining()):
        with database.reading() as connection:
            faces, _ = count(connection, collection)
        if faces > _MOST_IN_REQUEST:
            raise _too_many(faces)
    with refreshing(database, collection):
        gallery = read(database, collection)

    def proceed(share: float) -> None:
        if share < 1 and invocation.remaining() < _SPARE:
            raise _too_many(len(gallery.faces))
        on_progress(share)

    users = {name: number for number, name in enumerate(dict.fromkeys(_owners(gallery)))}
    members = group(
        gallery.vectors,
        calibration.cosine(similarity),
        together=[users.get(face.user_id or "", -1) for face in gallery.faces],
        apart=_apart(gallery),
        on_progress=proceed,
    )
    found = [_describe(gallery, each, calibration) for each in members]
    return Grouping([each for each in found if _is_open(each)], len(gallery.faces))


def _too_many(faces: int) -> InvalidParameterException:
    return InvalidParameterException(
        f"The collection has {faces} faces, more than can be compared within the time of a request."
        " Use facedex people group, which has no limit."
    )


def _owners(gallery: Gallery) -> list[str]:
    return [face.user_id for face in gallery.faces if face.user_id is not None]


def _apart(gallery: Gallery) -> list[tuple[int, int]]:
    """Return the pairs of faces that are known to be two people.

    One face of a user stands for all, since a user's faces are in one group.
    """
    place = {face.face_id: index for index, face in enumerate(gallery.faces)}
    first: dict[str, int] = {}
    for index, face in enumerate(gallery.faces):
        if face.user_id is not None:
            first.setdefault(face.user_id, index)
    return [
        (place[face_id], first[user_id])
        for face_id, user_id in gallery.apart
        if face_id in place and user_id in first
    ]


def _describe(gallery: Gallery, members: list[int], calibration: Calibration) -> Group:
    faces = [gallery.faces[index] for index in members]
    vectors = gallery.vectors[members].astype(np.float64)
    total = vectors.sum(axis=0)
    count = len(members)
    # Without the products of each vector with itself, which half precision moves away from 1.
    mean = (float(total @ total) - float((vectors**2).sum())) / (count * (count - 1))
    owners = {face.user_id for face in faces if face.user_id is not None}
    return Group(faces, sorted(owners), calibration.similarity(mean))


def _is_open(found: Group) -> bool:
    """Return whether the faces of a group do not all belong to one user."""
    return len(found.users) != 1 or any(face.user_id is None for face in found.faces)
