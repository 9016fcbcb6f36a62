"""The switch that ends an upgrade: every face gets its new vector in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from facedex.store.collections import Collection, deleted_error
from facedex.store.counting import COUNTED
from facedex.store.database import Connection
from facedex.store.faces import LOCKED, StoredFace
from facedex.store.store_errors import ModelMismatch
from facedex.store.upgrades import PENDING, pending_faces

_DELETE: Final = f"""
WITH removed AS (
    DELETE FROM faces
    WHERE collection_key = %(collection)s AND face_id IN (
        SELECT face_id FROM faces
        WHERE collection_key = %(collection)s AND face_id = ANY(%(without)s) AND {PENDING}
        {LOCKED}
    )
    RETURNING face_id
), changed AS (
    SELECT -1 AS faces, 0 AS users FROM removed
) {COUNTED}
"""
_REPLACE: Final = """
UPDATE faces SET vector = upgraded.vector FROM upgraded_faces AS upgraded
WHERE faces.collection_key = %(collection)s AND upgraded.collection_key = %(collection)s
    AND upgraded.face_id = faces.face_id
"""

# As in associations.py: a user without faces has no vector.
_RECOMPUTE: Final = """
UPDATE users SET vector = (
    SELECT l2_normalize(avg(faces.vector)) FROM faces
    WHERE faces.collection_key = users.collection_key AND faces.user_id = users.user_id
)
WHERE collection_key = %(collection)s
"""


def switch(
    connection: Connection,
    collection: Collection,
    model_version: str,
    *,
    pack: tuple[str, str],
    without: Sequence[UUID] = (),
) -> list[StoredFace]:
    """Give every face its new vector and the collection its new model, if no vector is missing.

    Writers wait until the end of the transaction; searches do not.

    Args:
        connection: in a transaction.
        collection: the collection that is being upgraded, as it was found.
        model_version: the new model.
        pack: the tag that names a collection's pack, and its new value; only an existing tag is
            changed.
        without: ids of faces to delete if they have no new vector.

    Returns:
        The other faces without a new vector. If there are any, nothing was changed.

    Raises:
        CollectionNotFound: if the collection was deleted.
        ModelMismatch: if another upgrade was started or has ended.
    """
    names = {"collection": collection.key, "model": model_version, "without": list(without)}
    # No limit, however many faces there are: the switch is one transaction.
    connection.execute("SET LOCAL statement_timeout = 0")
    row = connection.execute(
        "SELECT collections.model_version, upgrades.model_version AS target"
        " FROM collections LEFT JOIN upgrades USING (collection_key)"
        " WHERE collection_key = %(collection)s AND deleted_at IS NULL FOR UPDATE OF collections",
        names,
    ).fetchone()
    if row is None:
        raise deleted_error(collection)
    if (row.model_version, row.target) != (collection.model_version, model_version):
        raise ModelMismatch(
            f"Another upgrade of the collection {collection.collection_id} was started or has ended"
            " in the meantime."
        )
    # Writers of vectors lock the upgrade before the faces.
    connection.execute(
        "SELECT FROM upgrades WHERE collection_key = %(collection)s FOR UPDATE", names
    )
    doomed = set(without)
    lacking = pending_faces(connection, collection)
    if missing := [face for face in lacking if face.face_id not in doomed]:
        return missing
    connection.execute(_DELETE, names)
    connection.execute(_REPLACE, names)
    connection.execute(_RECOMPUTE, names)
    connection.execute(
        "UPDATE collections SET model_version = %(model)s WHERE collection_key = %(collection)s",
        names,
    )
    connection.execute(
        "UPDATE tags SET tag_value = %s WHERE collection_key = %s AND tag_key = %s",
        (pack[1], collection.key, pack[0]),
    )
    connection.execute("DELETE FROM upgrades WHERE collection_key = %(collection)s", names)
    return []
