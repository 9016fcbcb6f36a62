"""Collections with synthetic faces, for tests of the store."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from facedex.store import adding, collections, counting, faces
from facedex.store.collections import Collection
from facedex.store.database import Database

MODEL = "test-1"
Vectors = NDArray[np.float32]


def unit_vectors(count: int, dimension: int = 128, seed: int = 1) -> Vectors:
    drawn = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def make(database: Database, name: str = "staff") -> Collection:
    with database.transaction() as connection:
        return collections.create(connection, name, MODEL)


def place(number: int) -> faces.Box:
    """Return a different position in the picture for each face."""
    return (number % 20 / 20, number // 20 / 20, 0.04, 0.04)


def index(
    database: Database, name: str, image: bytes, vectors: Vectors, external: str | None = None
) -> list[faces.StoredFace]:
    with database.transaction() as connection:
        return adding.add(
            connection,
            collections.find(connection, name, for_update=True),
            adding.NewImage(
                model_version=MODEL,
                digest=sha256(image).digest(),
                external_image_id=external,
                faces=[
                    adding.NewFace(place(number), 99.5, vector)
                    for number, vector in enumerate(vectors)
                ],
            ),
        )


def count(database: Database, collection: Collection) -> int:
    with database.transaction() as connection:
        return counting.count(connection, collection)[0]
