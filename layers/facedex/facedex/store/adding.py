"""Storing of the faces of an image in a collection, each face once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4, uuid5

from facedex.store.collections import Collection, require_model
from facedex.store.counting import COUNTED
from facedex.store.database import Connection
from facedex.store.faces import COLUMNS, Box, StoredFace, stored_face
from facedex.store.vectors import to_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_IMAGES: Final = UUID("6f2b4a5e-8d0f-5c57-9a3e-5a1c2f6f0b11")

# Minimum intersection over union of two boxes of the same face. The detector's own boxes of
# different faces stay below 0.3.
_SAME_PLACE: Final = 0.5


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


@dataclass(frozen=True, slots=True)
class NewImage:
    """An image whose faces are to be stored.

    Attributes:
        model_version: the pack that made the vectors.
        digest: SHA-256 of the image's bytes.
    """

    model_version: str
    digest: bytes
    external_image_id: str | None
    faces: Sequence[NewFace]


def image_id(collection: Collection, digest: bytes, external_image_id: str | None) -> UUID:
    """Return the ImageId of a picture: the same for the same bytes, external id and collection."""
    return uuid5(_IMAGES, f"{collection.key}/{digest.hex()}/{external_image_id or ''}")


def count_of_image(
    connection: Connection, collection: Collection, digest: bytes, external_image_id: str | None
) -> int:
    """Return how many faces of a picture are stored; none if the collection has been deleted."""
    (row,) = connection.execute(
        "SELECT count(*) AS faces FROM faces JOIN collections USING (collection_key)"
        " WHERE collection_key = %s AND image_id = %s AND deleted_at IS NULL",
        (collection.key, image_id(collection, digest, external_image_id)),
    )
    return int(row.faces)


def add_new(connection: Connection, collection: Collection, image: NewImage) -> list[StoredFace]:
    """Store the faces of an image that is new to the collection, in one round trip.

    Args:
        connection: not in a transaction: the faces are committed when the function returns.
        collection: the collection as it was found; it may have been deleted since.

    Returns:
        The face records in the order of the faces. If the collection was deleted, has another
        model, is being upgraded or already has the image, nothing is stored and the list is empty;
        then call :func:`add`.
    """
    trail = connection.trail
    if trail is None or not trail.is_due:
        return _insert(_ADD_NEW, connection, collection, image, image.faces, 0)
    added = _insert(_ADD_NEW_AND_RECORD, connection, collection, image, image.faces, 0)
    trail.written = bool(added)
    return added


def add(connection: Connection, collection: Collection, image: NewImage) -> list[StoredFace]:
    """Store the faces of one image, or find their records if they are already stored.

    Args:
        collection: locked with ``collections.find(..., for_update=True)`` in this transaction.

    Returns:
        The face records in the order of the image's faces.

    Raises:
        ModelMismatch: if the collection's vectors come from another pack.
    """
    require_model(collection.collection_id, collection.model_version, image.model_version)
    if not image.faces:
        return []
    key = image_id(collection, image.digest, image.external_image_id)
    # Only requests with the same image wait here.
    connection.execute("SELECT lock_name(%s)", (str(key),))
    rows = connection.execute(
        f"SELECT {COLUMNS}, face_number FROM faces"
        " WHERE collection_key = %s AND image_id = %s ORDER BY face_number FOR SHARE",
        (collection.key, key),
    ).fetchall()
    boxes = [face.box for face in image.faces]
    records = recognise(boxes, [stored_face(row) for row in rows])
    new = [face for face, record in zip(image.faces, records, strict=True) if record is None]
    first_number = rows[-1].face_number + 1 if rows else 0
    added = iter(_insert(_ADD, connection, collection, image, new, first_number) if new else ())
    return [record or next(added) for record in records]


def recognise(boxes: Sequence[Box], stored: Sequence[StoredFace]) -> list[StoredFace | None]:
    """Return the stored record of each face of a picture, by its position in the picture.

    Boxes need only overlap: rank and exact position change slightly with the detector's settings,
    but a FaceId must stay with its face.

    Args:
        boxes: the boxes of the faces.
        stored: the stored records of the picture.

    Returns:
        For each box its record, or None for a face that is not stored.
    """
    unclaimed = list(stored)
    found: list[StoredFace | None] = []
    for box in boxes:
        record = max(unclaimed, key=lambda each: _overlap(box, each.box), default=None)
        if record is not None and _overlap(box, record.box) >= _SAME_PLACE:
            unclaimed.remove(record)
        else:
            record = None
        found.append(record)
    return found


def _overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / max(one[2] * one[3] + other[2] * other[3] - shared, 1e-12)


def _insert(
    query: str,
    connection: Connection,
    collection: Collection,
    image: NewImage,
    faces: Sequence[NewFace],
    first_number: int,
) -> list[StoredFace]:
    """Store these faces of an image, with numbers from ``first_number``."""
    ids = [uuid4() for _ in faces]
    entry = None
    if query is _ADD_NEW_AND_RECORD and connection.trail:
        connection.trail.touch(ids)
        entry = connection.trail.text()
    rows = connection.execute(
        query,
        {
            "collection": collection.key,
            "model": image.model_version,
            "upgrade": collection.upgrading_to,
            "image": image_id(collection, image.digest, image.external_image_id),
            "digest": image.digest,
            "external": image.external_image_id,
            "ids": ids,
            "numbers": list(range(first_number, first_number + len(faces))),
            "lefts": [face.box[0] for face in faces],
            "tops": [face.box[1] for face in faces],
            "widths": [face.box[2] for face in faces],
            "heights": [face.box[3] for face in faces],
            "confidences": [face.confidence for face in faces],
            "vectors": [to_text(face.vector) for face in faces],
            "entry": entry,
        },
    )
    return [stored_face(row) for row in rows]


def _insertion(condition: str, *, records: bool = False) -> str:
    """Return the statement that stores faces if a condition holds.

    Args:
        condition: SQL.
        records: whether it also writes the audit log's row, so that both are one transaction.
    """
    return f"""
    WITH begun AS MATERIALIZED (
        SELECT {condition} AS may_store
    ), added AS (
        INSERT INTO faces (collection_key, face_id, image_id, image_digest, external_image_id,
            face_number, box_left, box_top, box_width, box_height, confidence, vector)
        SELECT %(collection)s, face.id, %(image)s, %(digest)s, %(external)s,
            face.number, face.l, face.t, face.w, face.h, face.confidence, face.vector::halfvec
        FROM begun, unnest(
            %(ids)s::uuid[], %(numbers)s::smallint[], %(lefts)s::real[], %(tops)s::real[],
            %(widths)s::real[], %(heights)s::real[], %(confidences)s::real[], %(vectors)s::text[]
        ) AS face (id, number, l, t, w, h, confidence, vector)
        WHERE begun.may_store
        RETURNING {COLUMNS}, face_number
    ), changed AS (
        SELECT 1 AS faces, 0 AS users FROM added
    ), counted AS ({COUNTED}){_RECORDED if records else ""}
    SELECT {COLUMNS} FROM added ORDER BY face_number
    """


_RECORDED: Final = """, recorded AS (
        INSERT INTO audit_log (entry) SELECT %(entry)s FROM begun WHERE begun.may_store
    )"""
_BEGIN: Final = "begin_image(%(collection)s, %(image)s, %(model)s, %(upgrade)s)"
_ADD: Final = _insertion("true")
_ADD_NEW: Final = _insertion(_BEGIN)
_ADD_NEW_AND_RECORD: Final = _insertion(_BEGIN, records=True)
