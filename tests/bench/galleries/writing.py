"""A process that adds and deletes faces through the store at a steady rate.

    python -m tests.bench.galleries.writing DATABASE_URL COLLECTION RATE

Four clients write. Every face is an image of its own, as IndexFaces writes it, and resembles two
that are there. As many faces are deleted as are added: half of them are a second old, the others
have been in the collection from the start. Each line of the input is a command, "resume", "pause"
or "end", and is answered by a line, the last by how many faces were added and deleted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Final
from uuid import UUID

import numpy as np

from facedex.store import adding, collections, faces
from facedex.store.collections import Collection
from facedex.store.database import Connection, Database
from facedex.store.vectors import from_binary
from tests.bench.galleries.people import Vectors

RATE: Final = 200  # faces added a second, and as many deleted
_CLIENTS: Final = 4

# The faces with these ids are deleted.
_LEAVING: Final = UUID("f0000000-0000-0000-0000-000000000000")
_BOX: Final = (0.1, 0.1, 0.2, 0.2)
# How much of two faces a new one has.
_MIXED: Final = np.array([0.65, 0.35], np.float32)


class Writer:
    """The process, which writes between :meth:`resume` and :meth:`pause`.

    Attributes:
        added, deleted: numbers of faces, complete after the block of :func:`writing`.
        seconds: for how long it has written.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.added = self.deleted = 0
        self.seconds = 0.0
        self._resumed: float | None = None

    def resume(self) -> None:
        """Let it write."""
        self._send("resume")
        self._resumed = time.perf_counter()

    def pause(self) -> None:
        """Let it rest; what it has begun is complete when this returns."""
        self._send("pause")
        if self._resumed is not None:
            self.seconds += time.perf_counter() - self._resumed
            self._resumed = None

    def end(self) -> None:
        """End it, and read how much it has written."""
        self.pause()
        self.added, self.deleted = json.loads(self._send("end"))
        self._process.wait()

    def __str__(self) -> str:
        seconds = max(self.seconds, 1e-9)
        return (
            f"{self.added / seconds:.0f} faces added and {self.deleted / seconds:.0f} deleted a"
            " second"
        )

    def _send(self, command: str) -> str:
        """Send a command, and wait until the process has carried it out."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def writing(database_url: str, collection_id: str, rate: float = RATE) -> Iterator[Writer]:
    """Run the process while the block runs; it rests at first."""
    command = [sys.executable, "-m", __name__, database_url, collection_id, str(rate)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        writer = Writer(process)
        writer.pause()
        try:
            yield writer
        finally:
            writer.end()


class _Client:
    """One of several clients of the process."""

    def __init__(
        self,
        database: Database,
        collection: Collection,
        vectors: Vectors,
        leaving: list[UUID],
        rate: float,
    ) -> None:
        self._database, self._collection, self._vectors = database, collection, vectors
        self._leaving, self._rate = deque(leaving), rate
        self._new: deque[UUID] = deque()
        self._random = np.random.default_rng()
        self.added = self.deleted = 0

    def write(self, paused: Event) -> None:
        """Write until the event is set."""
        begun, before = time.perf_counter(), self.added
        while not paused.wait(
            max(0.0, begun + (self.added - before) / self._rate - time.perf_counter())
        ):
            with self._database.autocommit() as connection:
                self._write_one(connection)

    def _write_one(self, connection: Connection) -> None:
        vector = _MIXED @ self._random.choice(self._vectors, 2)
        vector /= np.linalg.norm(vector)
        image = adding.NewImage(
            self._collection.model_version,
            os.urandom(32),
            None,
            [adding.NewFace(_BOX, 99.0, vector)],
        )
        self._new += (face.face_id for face in adding.add_new(connection, self._collection, image))
        self.added += 1
        old = self.added % 2 and self._leaving
        source = self._leaving if old else self._new
        if old or len(source) > self._rate:
            self.deleted += len(faces.delete(connection, self._collection, [source.popleft()]))


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
    leaving = [[row.face_id for row in rows[first::_CLIENTS]] for first in range(_CLIENTS)]
    clients = [
        _Client(database, collection, vectors, some, float(rate) / _CLIENTS) for some in leaving
    ]
    paused, running = Event(), list[Future[None]]()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        for command in sys.stdin:
            paused.set()
            for each in running:
                each.result()
            if command == "end\n":
                break
            running = []
            if command == "resume\n":
                paused.clear()
                running = [pool.submit(client.write, paused) for client in clients]
            print(flush=True)
    database.close()
    print(json.dumps([sum(each.added for each in clients), sum(each.deleted for each in clients)]))


if __name__ == "__main__":
    main()
