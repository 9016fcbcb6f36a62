"""Erasing of one deleted face from a large collection, and the requests that wait meanwhile."""

from __future__ import annotations

import sys
import threading
import time

import psycopg

from facedex.store import erasing
from facedex.store.database import Database
from facedex_models import manifests
from tests.bench.measuring import report
from tests.bench.serving import serving

_FACES = """
    INSERT INTO faces SELECT collection_key, gen_random_uuid(), gen_random_uuid(),
        sha256(number::text::bytea), 'person-' || number, 0, 0.1, 0.1, 0.2, 0.2, 99,
        array_fill(1, ARRAY[%s])::vector::halfvec, now()
    FROM collections, generate_series(1, %s) AS number WHERE collection_id = 'bench'
"""


def main(faces: int) -> None:
    dimension = manifests.manifest(manifests.DEFAULT).dimension
    with serving() as server:
        client = server.client("rekognition")
        client.create_collection(CollectionId="bench")
        with psycopg.connect(server.database_url, autocommit=True) as connection:
            connection.execute(_FACES, (dimension, faces))
            connection.execute("VACUUM ANALYZE faces")
        face = client.list_faces(CollectionId="bench", MaxResults=1)["Faces"][0]["FaceId"]
        client.delete_faces(CollectionId="bench", FaceIds=[face])
        database = Database(server.database_url, connections=1)
        waits: list[float] = []
        ended = threading.Event()

        def ask() -> None:
            while not ended.is_set():
                began = time.perf_counter()
                client.list_faces(CollectionId="bench", MaxResults=1)
                waits.append(time.perf_counter() - began)

        asking = threading.Thread(target=ask)
        asking.start()
        began = time.perf_counter()
        done = erasing.erase(database, everything=True, lock_seconds=10)
        taken = time.perf_counter() - began
        ended.set()
        asking.join()
        database.close()
        assert done
        assert not done.remaining
    report(
        f"Erasing of a deleted face among {faces:,} of {dimension} values",
        f"complete {taken:.1f} s, rewriting of tables {done.seconds:.1f} s"
        f" ({done.bytes_before >> 20} MiB)",
        f"longest wait of a request {max(waits):.1f} s",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
