"""The comparison of searches in memory with those in SQL, at one snapshot."""

from __future__ import annotations

from typing import Any

from facedex.store import collections, search
from facedex.store.collections import Collection
from facedex.store.database import Database
from tests.integration.galleries import Vectors


def compare(database: Database, collection: Collection, probe: Vectors, *, limit: int) -> None:
    """Compare both searches, of faces and users, with SQL's own at one snapshot."""
    options: dict[str, Any] = {"limit": limit, "min_score": 0.3}
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert collections.find(connection, "staff") == collection
        found = search.search(connection, collection, [probe, -probe], **options)
        users = search.search_users(connection, collection, probe, **options)
        residents, connection.residents = connection.residents, None
        assert found == search.search(connection, collection, [probe, -probe], **options)
        assert users == search.search_users(connection, collection, probe, **options)
        connection.residents = residents
