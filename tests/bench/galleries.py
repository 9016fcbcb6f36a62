"""Galleries of random faces, written to the database with COPY."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import psycopg
from pgvector import HalfVector

_BATCH = 20_000


def fill(database_url: str, collection_id: str, faces: int, dimension: int) -> None:
    """Add ``faces`` random unit vectors to a collection; exact search costs the same on any."""
    drawn = np.random.default_rng(1)
    with psycopg.connect(database_url) as connection:
        (key,) = connection.execute(
            "SELECT collection_key FROM collections WHERE collection_id = %s", (collection_id,)
        ).fetchone() or (None,)
        with connection.cursor().copy(
            "COPY faces (collection_key, face_id, image_id, image_digest, face_number, box_left,"
            " box_top, box_width, box_height, confidence, vector) FROM STDIN"
        ) as copy:
            for start in range(0, faces, _BATCH):
                vectors = drawn.standard_normal((min(_BATCH, faces - start), dimension))
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                for vector in vectors.astype(np.float32):
                    text = HalfVector(vector).to_text()
                    row = (key, uuid4(), uuid4(), b"", 0, 0.1, 0.1, 0.2, 0.2, 99.0, text)
                    copy.write_row(row)
        connection.execute(
            "INSERT INTO collection_counts (collection_key, slot, faces) VALUES (%s, 99, %s)",
            (key, faces),
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE faces")
