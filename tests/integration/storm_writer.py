"""A process that writes to a gallery until it is killed; it imports little, to start quickly."""

from __future__ import annotations

import sys
import time

import numpy as np
import psycopg
from numpy.typing import NDArray

PEOPLE = 40


def unit_vectors() -> NDArray[np.float32]:
    """Return a vector of each person."""
    drawn = np.random.default_rng(1).standard_normal((PEOPLE, 128)).astype(np.float32)
    unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def photo(person: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Return another vector of a person; every fourth is the same as another."""
    moved = person + 0.03 * random.standard_normal(person.shape) * (random.random() < 0.75)
    unit: NDArray[np.float32] = (moved / np.linalg.norm(moved)).astype(np.float32)
    return unit


def write(database_url: str, seed: int) -> None:
    """Add and delete faces and users until this process is killed.

    Transactions have several statements, and some wait before they commit or are rolled back, so
    that they commit in another order than they began.
    """
    random = np.random.default_rng(seed)
    people = unit_vectors()
    with psycopg.connect(database_url) as connection:
        while True:
            for _ in range(random.integers(1, 6)):
                vector = photo(people[random.integers(PEOPLE)], random).tolist()
                connection.execute(
                    "WITH new AS (INSERT INTO users (collection_key, user_id, vector)"
                    " SELECT collection_key, gen_random_uuid()::text, %(vector)s::real[]::halfvec"
                    " FROM collections RETURNING collection_key, user_id)"
                    " INSERT INTO faces (collection_key, face_id, image_id, image_digest,"
                    " face_number, box_left, box_top, box_width, box_height, confidence, vector)"
                    " SELECT collection_key, gen_random_uuid(), gen_random_uuid(), '', 0, 0, 0, 1,"
                    " 1, 99, %(vector)s::real[]::halfvec FROM new",
                    {"vector": vector},
                )
            for table, column in (("faces", "face_id"), ("users", "user_id")):
                connection.execute(
                    f"DELETE FROM {table} WHERE {column} IN (SELECT {column} FROM {table}"
                    " ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)"
                )
            connection.execute(
                "UPDATE users SET vector = %s::real[]::halfvec WHERE user_id IN"
                " (SELECT user_id FROM users ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED)",
                (photo(people[random.integers(PEOPLE)], random).tolist(),),
            )
            time.sleep(float(random.random() ** 4 * 0.3))
            if random.random() < 0.1:
                connection.rollback()
            connection.commit()


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]))
