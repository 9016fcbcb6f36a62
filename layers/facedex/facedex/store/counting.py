"""Counters of a collection: a few rows that writers add to and readers sum."""

from __future__ import annotations

from typing import Final

from facedex.store.collections import Collection
from facedex.store.database import Connection

# Counter rows of a collection. Writers in different slots never wait for each other.
_SLOTS: Final = 32

# The end of a statement whose CTE ``changed`` has a row with ``faces`` and ``users``, each a
# difference, for every row that it changed. It comes last, so that the counter is locked last.
COUNTED: Final = f"""
INSERT INTO collection_counts (collection_key, slot, faces, users)
SELECT %(collection)s, pg_backend_pid() %% {_SLOTS}, sum(changed.faces), sum(changed.users)
FROM changed HAVING count(*) > 0
ON CONFLICT (collection_key, slot) DO UPDATE SET
    faces = collection_counts.faces + excluded.faces,
    users = collection_counts.users + excluded.users
"""


def count(connection: Connection, collection: Collection) -> tuple[int, int]:
    """Return the numbers of faces and users in a collection, at a constant cost."""
    row = connection.execute(
        "SELECT coalesce(sum(faces), 0)::bigint AS faces, coalesce(sum(users), 0)::bigint AS users"
        " FROM collection_counts WHERE collection_key = %s",
        (collection.key,),
    ).fetchone()
    assert row is not None
    return int(row.faces), int(row.users)
