"""A process that adds and deletes faces through the store at a steady rate.

    python -m tests.bench.galleries.writing DATABASE_URL COLLECTION RATE

Four clients write. Every face is an image of its own, as IndexFaces writes it, and resembles two
that are there. As many faces are deleted as are added: half of them are a second old, the others
have been in the collection from the start. The process ends with its input, and prints how many
faces it has added and deleted, and in how many seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, Final
from uuid import UUID

import numpy as np

from facedex.store import adding, collections, faces
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.vectors import from_binary
from tests.bench.galleries.people import Vectors

RATE: Final = 200  # faces added a second, and as many deleted
_CLIENTS: Final = 4

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


def _write(
    database: Database,
    collection: Collection,
    vectors: Vectors,
    old: list[UUID],
    rate: float,
    ended: Event,
) -> Written:
    """Write as one client of several; return what was written."""
    random = np.random.default_rng()
    leaving = deque(old)
    new: deque[UUID] = deque()
    done = Written()
    begun = time.perf_counter()
    while not ended.wait(max(0.0, begun + done.added / rate - time.perf_counter())):
        vector = np.float32([0.65, 0.35]) @ random.choice(vectors, 2)
        vector /= np.linalg.norm(vector)
        image = adding.NewImage(
            collection.model_version, os.urandom(32), None, [adding.NewFace(_BOX, 99.0, vector)]
        )
        with database.autocommit() as connection:
            new += (face.face_id for face in adding.add_new(connection, collection, image))
            done.added += 1
            source = leaving if done.added % 2 and leaving else new
            if len(source) > rate or source is leaving:
                done.deleted += len(faces.delete(connection, collection, [source.popleft()]))
    done.seconds = time.perf_counter() - begun
    return done


def main() -> None:
    url, name, rate = sys.argv[1:]
    database = Database(url, connections=_CLIENTS)
    with database.reading() as connection:
        collection = collections.find(connection, name)
        rows = connection.execute(
            "SELECT face_id FROM faces WHERE collection_key = %s AND face_id >= %s"
            " ORDER BY face_id LIMIT 100000",
            (collection.key, _LEAVING),
        ).fetchall()
        sent = connection.execute(
            "SELECT halfvec_send(vector) AS vector FROM faces WHERE collection_key = %s LIMIT 2000",
            (collection.key,),
        ).fetchall()
    vectors = from_binary([row.vector for row in sent])
    ended = Event()

    def work(number: int) -> Written:
        old = [row.face_id for row in rows[number::_CLIENTS]]
        return _write(database, collection, vectors, old, float(rate) / _CLIENTS, ended)

    with ThreadPoolExecutor(_CLIENTS) as pool:
        print("begun", flush=True)
        running = [pool.submit(work, number) for number in range(_CLIENTS)]
        sys.stdin.read()
        ended.set()
        done = [each.result() for each in running]
    database.close()
    print(
        json.dumps(
            {
                "added": sum(each.added for each in done),
                "deleted": sum(each.deleted for each in done),
                "seconds": max(each.seconds for each in done),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
