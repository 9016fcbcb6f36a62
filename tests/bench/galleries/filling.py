"""Collections with a given number of faces, written as fast as Postgres takes them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray

from tests.bench.galleries.people import Vectors

BATCH = 20_000


def fill(database_url: str, collection_id: str, faces: int, dimension: int) -> None:
    """Add ``faces`` random unit vectors to a collection; exact search costs the same on any."""
    drawn = np.random.default_rng(1)

    def batches() -> Iterator[Vectors]:
        for start in range(0, faces, BATCH):
            vectors = drawn.standard_normal((min(BATCH, faces - start), dimension))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            yield vectors.astype(np.float32)

    add(database_url, collection_id, batches())


def add(database_url: str, collection_id: str, batches: Iterator[Vectors]) -> list[UUID]:
    """Add faces with these vectors to a collection; return the ids of the first batch."""
    first: list[UUID] = []
    count = 0
    with psycopg.connect(database_url) as connection:
        (key,) = connection.execute(
            "SELECT collection_key FROM collections WHERE collection_id = %s", (collection_id,)
        ).fetchone() or (None,)
        with connection.cursor().copy(
            "COPY faces (collection_key, face_id, image_id, image_digest, face_number, box_left,"
            " box_top, box_width, box_height, confidence, vector) FROM STDIN (FORMAT binary)"
        ) as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for vectors in batches:
                ids = [uuid4() for _ in vectors]
                copy.write(b"".join(map(_row, [key] * len(ids), ids, vectors.astype(">f2"))))
                first = first or ids
                count += len(ids)
            copy.write(b"\xff\xff")
        connection.execute(
            "INSERT INTO collection_counts (collection_key, slot, faces) VALUES (%s, 99, %s)",
            (key, count),
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE faces")
        connection.execute("CHECKPOINT")  # what is measured next must not wait for the disk
    return first


def _row(key: int, face_id: UUID, halves: NDArray[Any]) -> bytes:
    """Return a row in Postgres's binary format."""
    fields = [struct.pack(">q", key), face_id.bytes, uuid4().bytes, b"", struct.pack(">h", 0)]
    fields += [struct.pack(">f", number) for number in (0.1, 0.1, 0.2, 0.2, 99.0)]
    fields.append(struct.pack(">hh", len(halves), 0) + halves.tobytes())
    return struct.pack(">h", len(fields)) + b"".join(
        struct.pack(">i", len(field)) + field for field in fields
    )
