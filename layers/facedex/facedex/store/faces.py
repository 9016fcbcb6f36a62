"""Face records: what is kept of a face, which is never its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4, uuid5

from facedex.store.collections import Collection
from facedex.store.counting import COUNTED
from facedex.store.database import Connection
from facedex.store.errors import FaceNotFound, ModelMismatch
from facedex.store.vectors import to_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_IMAGES: Final = UUID("6f2b4a5e-8d0f-5c57-9a3e-5a1c2f6f0b11")

COLUMNS: Final = (
    "face_id, image_id, external_image_id, box_left, box_top, box_width, box_height, confidence,"
    " user_id"
)

# Left, top, width, height as ratios of the image.
Box = tuple[float, float, float, float]

# Intersection over union of two boxes from which on they are one face's. The detector's own are
# kept apart at 0.3.
_SAME_PLACE: Final = 0.5

# The end of a query that locks faces. Everyone locks them in this order, so that no two requests
# with faces in common wait for each other.
LOCKED: Final = "ORDER BY faces.image_id, faces.face_number FOR UPDATE OF faces"


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A face record.

    Attributes:
        box: left, top, width, height as ratios of the image.
        confidence: percent, that it is a face.
        user_id: the user that it is associated with.
    """

    face_id: UUID
    image_id: UUID
    external_image_id: str | None
    box: Box
    confidence: float
    user_id: str | None


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face to be stored.

    Attributes:
        box: left, top, width, height as ratios of the image.
        confidence: percent.
        vector: (d,) float, unit length.
    """

    box: Box
    confidence: float
    vector: NDArray[np.float32]


def image_id(collection: Collection, digest: bytes, external_image_id: str | None) -> UUID:
    """The ImageId of a picture: the same for the same bytes, external id and collection."""
    return uuid5(_IMAGES, f"{collection.key}/{digest.hex()}/{external_image_id or ''}")


def add(
    connection: Connection,
    collection: Collection,
    *,
    model_version: str,
    digest: bytes,
    external_image_id: str | None,
    faces: Sequence[NewFace],
) -> list[StoredFace]:
    """Store the faces of one image, or find them where they are stored already.

    Args:
        collection: held with ``collections.find(..., keep=True)`` in this transaction.
        model_version: the pack that made the vectors.
        digest: SHA-256 of the image's bytes.

    Returns:
        The face records in the order of ``faces``.

    Raises:
        ModelMismatch: the collection's vectors come from another pack.
    """
    require_model(collection, model_version)
    if not faces:
        return []
    image = image_id(collection, digest, external_image_id)
    # Twins of this request wait here; nobody else does.
    connection.execute("SELECT lock_name(%s)", (str(image),))
    rows = connection.execute(
        f"SELECT {COLUMNS}, face_number FROM faces"
        " WHERE collection_key = %s AND image_id = %s ORDER BY face_number FOR SHARE",
        (collection.key, image),
    ).fetchall()
    records: list[StoredFace | None] = _recognise(faces, [stored_face(row) for row in rows])
    new = [face for face, record in zip(faces, records, strict=True) if record is None]
    first_number = rows[-1].face_number + 1 if rows else 0
    added = iter(
        _insert(connection, collection, image, digest, external_image_id, first_number, new)
        if new
        else ()
    )
    return [record or next(added) for record in records]


def _recognise(faces: Sequence[NewFace], stored: Sequence[StoredFace]) -> list[StoredFace | None]:
    """The record of each face that is stored already, by where it lies in the picture.

    Not by its rank or an exact place: both change a little with the detector's settings, and a
    FaceId must stay with its face.
    """
    left = list(stored)
    found: list[StoredFace | None] = []
    for face in faces:
        record = max(left, key=lambda each: _overlap(face.box, each.box), default=None)
        if record is not None and _overlap(face.box, record.box) >= _SAME_PLACE:
            left.remove(record)
        else:
            record = None
        found.append(record)
    return found


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / max(one[2] * one[3] + other[2] * other[3] - shared, 1e-12)


def _insert(
    connection: Connection,
    collection: Collection,
    image: UUID,
    digest: bytes,
    external_image_id: str | None,
    first_number: int,
    faces: Sequence[NewFace],
) -> list[StoredFace]:
    rows = connection.execute(
        _INSERT,
        {
            "collection": collection.key,
            "image": image,
            "digest": digest,
            "external": external_image_id,
            "ids": [uuid4() for _ in faces],
            "numbers": list(range(first_number, first_number + len(faces))),
            "lefts": [face.box[0] for face in faces],
            "tops": [face.box[1] for face in faces],
            "widths": [face.box[2] for face in faces],
            "heights": [face.box[3] for face in faces],
            "confidences": [face.confidence for face in faces],
            "vectors": [to_text(face.vector) for face in faces],
        },
    )
    return [stored_face(row) for row in rows]


_INSERT: Final = f"""
WITH added AS (
    INSERT INTO faces (collection_key, face_id, image_id, image_digest, external_image_id,
        face_number, box_left, box_top, box_width, box_height, confidence, vector)
    SELECT %(collection)s, face.id, %(image)s, %(digest)s, %(external)s,
        face.number, face.l, face.t, face.w, face.h, face.confidence, face.vector::halfvec
    FROM unnest(
        %(ids)s::uuid[], %(numbers)s::smallint[], %(lefts)s::real[], %(tops)s::real[],
        %(widths)s::real[], %(heights)s::real[], %(confidences)s::real[], %(vectors)s::text[]
    ) AS face (id, number, l, t, w, h, confidence, vector)
    RETURNING {COLUMNS}, face_number
), changed AS (
    SELECT 1 AS faces, 0 AS users FROM added
), counted AS ({COUNTED})
SELECT {COLUMNS} FROM added ORDER BY face_number
"""


def delete(connection: Connection, collection: Collection, face_ids: Sequence[UUID]) -> set[UUID]:
    """Remove faces for good; those of users, and ids that are not there, are passed over.

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
) -> tuple[int, int]:
    """Remove the faces under an external id that come from other images than those kept.

    Faces of users stay, as with :func:`delete`.

    Args:
        kept: SHA-256 of each image whose faces stay.

    Returns:
        How many faces were removed, and how many stay because they are a user's.
    """
    rows = connection.execute(
        "SELECT face_id FROM faces WHERE collection_key = %s AND external_image_id = %s"
        " AND image_digest <> ALL(%s)",
        (collection.key, external_image_id, list(kept)),
    )
    found = [row.face_id for row in rows]
    removed = delete(connection, collection, found) if found else set()
    return len(removed), len(found) - len(removed)


def page(
    connection: Connection,
    collection: Collection,
    *,
    after: UUID | None,
    count: int,
    only: Sequence[UUID] | None = None,
    user_id: str | None = None,
) -> list[StoredFace]:
    """At most ``count`` faces in the order of their ids, from behind id ``after``.

    Args:
        only: if given, none but these.
        user_id: if given, none but this user's.
    """
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM faces WHERE collection_key = %(collection)s"
        + (" AND face_id > %(after)s" if after else "")
        + (" AND face_id = ANY(%(only)s)" if only is not None else "")
        + (" AND user_id = %(user)s" if user_id is not None else "")
        + " ORDER BY face_id LIMIT %(count)s",
        {
            "collection": collection.key,
            "after": after,
            "count": count,
            "only": None if only is None else list(only),
            "user": user_id,
        },
    )
    return [stored_face(row) for row in rows]


def users_of(
    connection: Connection, collection: Collection, face_ids: Sequence[UUID]
) -> dict[UUID, str | None]:
    """The user, or None, of each of these faces that is in the collection."""
    rows = connection.execute(
        "SELECT face_id, user_id FROM faces WHERE collection_key = %s AND face_id = ANY(%s)",
        (collection.key, list(face_ids)),
    )
    return {row.face_id: row.user_id for row in rows}


def vector(connection: Connection, collection: Collection, face_id: UUID) -> NDArray[np.float32]:
    """The vector of one face: (d,) float32.

    Raises:
        FaceNotFound: the collection has no such face.
    """
    row = connection.execute(
        "SELECT vector::real[] AS vector FROM faces WHERE collection_key = %s AND face_id = %s",
        (collection.key, face_id),
    ).fetchone()
    if row is None:
        raise FaceNotFound(f"The face id: {face_id} does not exist")
    import numpy as np

    return np.asarray(row.vector, dtype=np.float32)


def require_model(collection: Collection, model_version: str) -> None:
    """Make sure that vectors of this model may be put into, or compared with, the collection.

    Raises:
        ModelMismatch: they may not.
    """
    if collection.model_version != model_version:
        raise ModelMismatch(
            f"The collection {collection.collection_id} was made with the model"
            f" {collection.model_version}; this service runs {model_version}, and vectors of"
            " different models cannot be compared. Make a new collection and index the photos"
            f" again, or run {collection.model_version}."
        )


def stored_face(row: Any) -> StoredFace:
    """The record in a row that has :data:`COLUMNS`."""
    return StoredFace(
        row.face_id,
        row.image_id,
        row.external_image_id,
        (row.box_left, row.box_top, row.box_width, row.box_height),
        row.confidence,
        row.user_id,
    )
