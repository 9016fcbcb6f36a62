"""Queries that find contradictions between the tables of a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.tables import Tables

_ORPHANS = """
SELECT 'faces' FROM faces WHERE collection_key NOT IN (SELECT collection_key FROM collections)
UNION ALL
SELECT 'users' FROM users WHERE collection_key NOT IN (SELECT collection_key FROM collections)
UNION ALL
SELECT 'tags' FROM tags WHERE collection_key NOT IN (SELECT collection_key FROM collections)
UNION ALL
SELECT 'faces of no user' FROM faces WHERE user_id IS NOT NULL
    AND (collection_key, user_id) NOT IN (SELECT collection_key, user_id FROM users)
UNION ALL
SELECT 'counts' FROM collection_counts
    WHERE collection_key NOT IN (SELECT collection_key FROM collections)
UNION ALL
SELECT 'deleted' FROM collections WHERE deleted_at IS NOT NULL
"""

# Cosine of each user's vector and the mean of the faces' vectors; both or neither must be null.
_USERS_AND_MEANS = """
SELECT users.vector IS NULL, mean.vector IS NULL, -(users.vector <#> l2_normalize(mean.vector)),
    l2_norm(users.vector)
FROM users CROSS JOIN LATERAL (
    SELECT avg(faces.vector) AS vector FROM faces
    WHERE faces.collection_key = users.collection_key AND faces.user_id = users.user_id
) AS mean
"""
_ROUNDING = 2e-3  # of vectors with 16-bit numbers

_COUNTERS = """
SELECT collection_id, deleted_at IS NOT NULL, coalesce(sum(faces), 0), coalesce(sum(users), 0),
    (SELECT count(*) FROM faces WHERE faces.collection_key = collections.collection_key),
    (SELECT count(*) FROM users WHERE users.collection_key = collections.collection_key)
FROM collections LEFT JOIN collection_counts USING (collection_key)
GROUP BY collection_key
"""


def orphans(tables: Tables) -> list[str]:
    """Return the tables that have rows of deleted collections or users.

    While a deletion is in progress there are such rows; the sweep removes those of an
    interrupted one.
    """
    return [name for (name,) in tables.rows(_ORPHANS)]


def contradictions(tables: Tables) -> Iterator[str]:
    """Yield a sentence for each user without its faces' mean and each wrong counter."""
    for no_vector, no_faces, cosine, length in tables.rows(_USERS_AND_MEANS):
        if no_vector != no_faces:
            yield f"a user has {'no' if no_vector else 'a'} vector but " + (
                "no faces" if no_faces else "faces"
            )
        elif not no_vector and not (abs(cosine - 1) < _ROUNDING and abs(length - 1) < _ROUNDING):
            yield f"a user's vector is not the mean of its faces' (cosine {cosine}, norm {length})"
    for name, deleted, faces, users, face_rows, user_rows in tables.rows(_COUNTERS):
        if (faces, users) != (face_rows, user_rows):
            yield (
                f"{name} ({'deleted' if deleted else 'kept'}) counted {faces} faces and {users}"
                f" users; there are {face_rows} and {user_rows}"
            )
