"""A gallery in a database of its own, whose files are searched for what was deleted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from facedex.store.database import Database
from facedex_local.postgres.cluster import Postgres
from tests.disk_bytes import places_of, windows

DIMENSIONS = 128
NAMES = ("ann-at-the-door.jpg", "user-ann-smith", "friends-of-ann")
STATEMENT_VECTOR = "%s::real[]::vector::halfvec"


@dataclass
class Gallery:
    """A database with faces of ann, who is deleted, and of bob, who stays."""

    postgres: Postgres
    database: Database
    ann: NDArray[np.floating]
    bob: NDArray[np.floating]

    @property
    def directory(self) -> Path:
        return self.postgres.cluster.parent

    def traces(self) -> dict[str, list[bytes]]:
        return {"vector": windows(self.ann), **{name: [name.encode()] for name in NAMES}}

    def found(self) -> dict[str, list[str]]:
        return places_of(self.directory, self.traces())

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def fill(self) -> None:
        with psycopg.connect(self.postgres.url) as connection:
            for name, user, vector, file in (
                ("friends-of-ann", "user-ann-smith", self.ann, "ann-at-the-door.jpg"),
                ("friends-of-bob", "user-bob", self.bob, "bob.jpg"),
            ):
                row = connection.execute(
                    "INSERT INTO collections (collection_id, model_version) VALUES (%s, '6.1')"
                    " RETURNING collection_key",
                    (name,),
                ).fetchone()
                assert row
                connection.execute(
                    f"INSERT INTO users (collection_key, user_id, vector)"
                    f" VALUES (%s, %s, {STATEMENT_VECTOR})",
                    (row[0], user, vector.tolist()),
                )
                for _ in range(60):
                    connection.execute(
                        "INSERT INTO faces VALUES (%s, gen_random_uuid(), gen_random_uuid(), '',"
                        f" %s, 0, 0, 0, 0, 0, 0, {STATEMENT_VECTOR}, now(), %s)",
                        (row[0], file, vector.tolist(), user),
                    )
        # Statistics as earlier releases had them, with values of these columns.
        for table, columns in (
            ("faces", ("vector", "external_image_id", "user_id")),
            ("users", ("vector", "user_id")),
        ):
            for column in columns:
                self.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 100")
        self.execute("ANALYZE", "CHECKPOINT")

    def delete_ann(self) -> None:
        ann = "(SELECT collection_key FROM collections WHERE collection_id = 'friends-of-ann')"
        self.execute(
            f"DELETE FROM faces WHERE collection_key = {ann}",
            f"DELETE FROM users WHERE collection_key = {ann}",
            "DELETE FROM collections WHERE collection_id = 'friends-of-ann'",
        )

    def faces(self) -> int:
        with psycopg.connect(self.postgres.url) as connection:
            row = connection.execute("SELECT count(*) FROM faces").fetchone()
            assert row
            return int(row[0])
