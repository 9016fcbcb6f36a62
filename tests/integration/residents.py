"""Galleries with copies in memory, for tests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.search import Match, search
from tests.integration.galleries import Vectors, index

SIZE = 400


def near(vectors: Vectors, seed: int = 7, spread: float = 0.02) -> Vectors:
    noise = np.random.default_rng(seed).standard_normal(vectors.shape).astype(np.float32)
    moved = vectors + spread * noise
    unit: Vectors = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit


def fill(database: Database, name: str, vectors: Vectors, seed: str = "") -> list[UUID]:
    found = []
    for start in range(0, len(vectors), 100):
        image = f"{seed}{start}".encode()
        found += index(database, name, image, vectors[start : start + 100])
    return [face.face_id for face in found]


def find(
    database: Database, collection: Collection, probes: Vectors, **options: Any
) -> list[list[Match]]:
    chosen = {"limit": 10, "min_score": 0.1} | options
    with database.reading() as connection:
        return search(connection, collection, list(probes), **chosen)


def warm(database: Database, collection: Collection, probes: Vectors) -> None:
    """Search until the copy is made."""
    assert database.residents
    find(database, collection, probes[:1])
    assert database.residents.settle()
    assert database.residents.resident_vectors


def answers(database: Database) -> int:
    assert database.residents
    return database.residents.events["answers"]


def log_changes(database: Database, collection: Collection, count: int, transaction: int) -> None:
    """Fill the log with changes of faces that do not exist, by one transaction."""
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO gallery_changes (collection_key, of_users, changed_by, item)"
            " SELECT %s, false, %s::text::xid8, gen_random_uuid() FROM generate_series(1, %s)",
            (collection.key, str(transaction), count),
        )
