"""The comparison of searches in memory with those in SQL, at one snapshot."""

from __future__ import annotations

from typing import Any

from facedex.store import collections, search
from facedex.store.collections import Collection
from facedex.store.connection import Connection
from facedex.store.database import Database
from tests.integration.galleries import Vectors


def compare(database: Database, collection: Collection, probe: Vectors, *, limit: int) -> None:
    """Compare both searches, of faces and users, with SQL's own at the same snapshot."""
    options: dict[str, Any] = {"limit": limit, "min_score": 0.3}

    def search_faces(connection: Connection) -> object:
        return search.search(connection, collection, [probe, -probe], **options)

    def search_users(connection: Connection) -> object:
        return search.search_users(connection, collection, probe, **options)

    for search_both_ways in (search_faces, search_users):
        with database.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # The search takes the snapshot, after it has read the copy: a copy that is refreshed
            # after the snapshot may lack what the snapshot sees.
            found = search_both_ways(connection)
            residents, connection.residents = connection.residents, None
            assert found == search_both_ways(connection)
            connection.residents = residents
            assert collections.find(connection, "staff") == collection
