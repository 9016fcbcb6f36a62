"""Collections with synthetic faces, for tests of the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facedex.store import adding, collections, counting, faces
from facedex.store.collections import Collection
from facedex.store.database import Connection, Database
from facedex.workflows import pictures
from facedex.workflows.pictures import Picture

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


def wait_for_one_that_waits(connection: Connection) -> None:
    """Wait until a transaction waits for a lock."""
    end = time.monotonic() + 60
    while not is_waited_for(connection):
        assert time.monotonic() < end, "no transaction waits"
        time.sleep(0.01)


def is_waited_for(connection: Connection) -> bool:
    """Return whether any transaction waits for a lock."""
    return connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None


def while_looking(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Run a function between the look-up of the collection and the use of its rows."""
    read = pictures.read

    def read_after(*arguments: Any, **options: Any) -> Picture:
        act()
        return read(*arguments, **options)

    monkeypatch.setattr(pictures, "read", read_after)
