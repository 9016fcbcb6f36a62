"""A process that adds and deletes faces through the store at a steady rate.

    python -m tests.bench.galleries.writing DATABASE_URL COLLECTION RATE

Every face is an image of its own, as IndexFaces writes it. As many faces are deleted as are added:
half of them are a second old, the others have been in the collection from the start. The process
ends with its input, and prints how many faces it has added and deleted, and in how many seconds.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from facedex.store import adding, collections, faces
from facedex.store.collections import Collection
from facedex.store.database import Database
from tests.bench.galleries.people import People

RATE: Final = 200  # faces added a second, and as many deleted

# The faces with these ids are deleted.
_LEAVING: Final = UUID("f0000000-0000-0000-0000-000000000000")
_BOX: Final = (0.1, 0.1, 0.2, 0.2)


@dataclass(slots=True)
class Written:
    """What the writer did.

    Attributes:
        seconds: for how long it wrote.
    """

    added: int = 0
    deleted: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        seconds = max(self.seconds, 1e-9)
        return (
            f"{self.added / seconds:.0f} faces added and {self.deleted / seconds:.0f} deleted a"
            " second"
        )


@contextmanager
def writing(database_url: str, collection_id: str, rate: float = RATE) -> Iterator[Written]:
    """Let another process write while the block runs; the result is filled in at its end."""
    command = [sys.executable, "-m", __name__, database_url, collection_id, str(rate)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    written = Written()
    try:
        process.stdout.readline()  # it has begun
        yield written
    finally:
        process.stdin.close()
        result: dict[str, Any] = json.loads(process.stdout.readline() or "{}")
        process.wait()
    written.added, written.deleted = result["added"], result["deleted"]
    written.seconds = result["seconds"]


def _write(database: Database, collection: Collection, dimension: int, rate: float) -> Written:
    people = People(dimension, seed=os.getpid())
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT face_id FROM faces WHERE collection_key = %s AND face_id >= %s"
            " ORDER BY face_id LIMIT 100000",
            (collection.key, _LEAVING),
        ).fetchall()
    old = deque(row.face_id for row in rows)
    new: deque[UUID] = deque()
    print("begun", flush=True)
    done = Written()
    begun = time.perf_counter()
    while True:
        wait = begun + done.added / rate - time.perf_counter()
        if select.select([sys.stdin], [], [], max(0.0, wait))[0]:
            done.seconds = time.perf_counter() - begun
            return done
        (vector,) = people.draw(1)
        image = adding.NewImage(
            collection.model_version, os.urandom(32), None, [adding.NewFace(_BOX, 99.0, vector)]
        )
        with database.autocommit() as connection:
            new += (face.face_id for face in adding.add_new(connection, collection, image))
            done.added += 1
            source = old if done.added % 2 and old else new
            if len(source) > rate or source is old:
                done.deleted += len(faces.delete(connection, collection, [source.popleft()]))


def main() -> None:
    url, name, rate = sys.argv[1:]
    database = Database(url, connections=1)
    with database.reading() as connection:
        collection = collections.find(connection, name)
        row = connection.execute(
            "SELECT vector_dims(vector) AS dimension FROM faces WHERE collection_key = %s LIMIT 1",
            (collection.key,),
        ).fetchone()
    assert row is not None
    done = _write(database, collection, row.dimension, float(rate))
    database.close()
    print(
        json.dumps({"added": done.added, "deleted": done.deleted, "seconds": done.seconds}),
        flush=True,
    )


if __name__ == "__main__":
    main()
