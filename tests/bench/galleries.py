"""Searches of a large gallery: in memory, in SQL, and by FAISS without a proof.

Run with ``--faces 20000000`` for a larger one, and ``--help`` for the rest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector

from facedex.store import collections
from facedex.store.database import Database
from facedex.store.residents import Residents
from facedex.store.search import Match, search
from facedex_models.manifests import DEFAULT, manifest
from tests.bench.measuring import report
from tests.bench.serving import Product, serving

Vectors = NDArray[np.float32]

_BATCH = 20_000
_NAME = "staff"
_LIMIT, _THRESHOLD = 10, 99.0
_SCORE = 0.8  # the mean of two people with the default pack: no limit on the matches
_WRITES = 200  # per second

# The share of the variance in the first principal axes of the default pack's vectors of 4,151
# people (LFW), and the length of the vectors without their mean.
_SHARES = {0: 0.0, 30: 0.43, 46: 0.56, 62: 0.66, 78: 0.75, 94: 0.82, 110: 0.885, 126: 0.935}
_SHARES |= {160: 0.977, 200: 0.999, 257: 1.0}
_SPREAD = 0.457


class People:
    """Vectors that are distributed like those of different people with the default pack."""

    def __init__(self, dimension: int, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        points = np.arange(dimension + 1) * (257 / dimension)
        variances = np.diff(np.interp(points, list(_SHARES), list(_SHARES.values())))
        axes, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension, dimension)))
        self._axes = (np.sqrt(variances)[:, None] * axes * _SPREAD).astype(np.float32)
        self._mean = (axes[-1] * np.sqrt(1 - _SPREAD**2)).astype(np.float32)

    def draw(self, count: int) -> Vectors:
        noise = self._random.standard_normal((count, len(self._mean)), dtype=np.float32)
        moved: Vectors = self._mean + noise @ self._axes
        return self._unit(moved)

    def other_photo(self, vector: Vectors) -> Vectors:
        """Return another vector of the same person."""
        (someone,) = self.draw(1)
        (other,) = self._unit((0.65 * vector + 0.35 * someone)[None])
        return np.asarray(other, np.float32)

    @staticmethod
    def _unit(vectors: Vectors) -> Vectors:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        rounded: Vectors = unit.astype(np.float16).astype(np.float32)
        return rounded


def fill(database_url: str, collection_id: str, faces: int, dimension: int) -> None:
    """Add ``faces`` random unit vectors to a collection; exact search costs the same on any."""
    drawn = np.random.default_rng(1)

    def batches() -> Iterator[Vectors]:
        for start in range(0, faces, _BATCH):
            vectors = drawn.standard_normal((min(_BATCH, faces - start), dimension))
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
    return first


def _row(key: int, face_id: UUID, halves: NDArray[Any]) -> bytes:
    """Return a row in Postgres's binary format."""
    fields = [struct.pack(">q", key), face_id.bytes, uuid4().bytes, b"", struct.pack(">h", 0)]
    fields += [struct.pack(">f", number) for number in (0.1, 0.1, 0.2, 0.2, 99.0)]
    fields.append(struct.pack(">hh", len(halves), 0) + halves.tobytes())
    return struct.pack(">h", len(fields)) + b"".join(
        struct.pack(">i", len(field)) + field for field in fields
    )


def times(program: Callable[[int], object], rounds: int, warm_up: int = 3) -> list[float]:
    """Return the seconds of each run, sorted."""
    taken = []
    for turn in range(-warm_up, rounds):
        begun = time.perf_counter()
        program(turn)
        if turn >= 0:
            taken.append(time.perf_counter() - begun)
    return sorted(taken)


def ms(taken: Sequence[float]) -> str:
    """Return the smallest time, the median and the 99th percentile, in milliseconds."""
    p99 = taken[min(len(taken) - 1, round(0.99 * len(taken)))]
    median = statistics.median(taken)
    return f"min {1000 * taken[0]:.1f}, p50 {1000 * median:.1f}, p99 {1000 * p99:.1f} ms"


def bandwidth() -> float:
    """Return the bytes per second that all processors read together."""
    threads = os.cpu_count() or 1
    blocks = [np.ones(32 << 20, np.float64) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        taken = times(lambda _: list(pool.map(np.add.reduce, blocks)), 5)
    return sum(block.nbytes for block in blocks) / taken[0]


def faiss_flat(batches: Iterator[Vectors], probes: Sequence[Vectors]) -> str:
    """Return the times of FAISS's flat search of halves, which is not exact in its order."""
    import faiss

    index: Any = None
    for vectors in batches:
        if index is None:
            index = faiss.IndexScalarQuantizer(
                vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
            )
        index.add(vectors)
    return ms(times(lambda turn: index.search(probes[turn][None], _LIMIT), 20))


class Writer:
    """Adds and deletes faces while the block runs."""

    def __init__(self, database_url: str, collection_id: str, people: People) -> None:
        self._url, self._name, self._people = database_url, collection_id, people
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.written = 0

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        from pgvector.psycopg import register_vector

        with psycopg.connect(self._url, autocommit=True) as connection:
            register_vector(connection)
            begun = time.perf_counter()
            while not self._ended.wait(
                max(0, begun + self.written / _WRITES - time.perf_counter())
            ):
                (vector,) = self._people.draw(1)
                face_id = uuid4()
                connection.execute(
                    "INSERT INTO faces (collection_key, face_id, image_id, image_digest,"
                    " face_number, box_left, box_top, box_width, box_height, confidence, vector)"
                    " SELECT collection_key, %s, %s, '', 0, 0, 0, 1, 1, 99, %s FROM collections"
                    " WHERE collection_id = %s",
                    (face_id, uuid4(), HalfVector(vector), self._name),
                )
                if self.written % 2:
                    connection.execute("DELETE FROM faces WHERE face_id = %s", (face_id,))
                self.written += 1


def measure(product: Product, faces: int, dimension: int, rounds: int) -> list[str]:
    """Return the lines of the report."""
    client = product.client("rekognition")
    client.create_collection(CollectionId=_NAME)

    def batches() -> Iterator[Vectors]:
        people = People(dimension)
        for start in range(0, faces, _BATCH):
            yield people.draw(min(_BATCH, faces - start))

    ids = add(product.database_url, _NAME, batches())
    others = People(dimension, seed=2)
    some = next(batches())[: rounds + 3]
    probes = [others.other_photo(vector) for vector in some]
    plain, copied = Database(product.database_url), Database(product.database_url)
    copied.residents = residents = Residents(copied, 64 << 30)
    with plain.reading() as connection:
        collection = collections.find(connection, _NAME)

    def look(database: Database, wanted: Sequence[Vectors]) -> list[list[Match]]:
        with database.reading() as connection:
            return search(connection, collection, wanted, limit=_LIMIT, min_score=_SCORE)

    begun = time.perf_counter()
    look(copied, probes[:1])
    first = time.perf_counter() - begun
    assert residents.settle(600.0)
    loaded = time.perf_counter() - begun
    checked = probes[:20]
    same = [look(copied, [probe]) == look(plain, [probe]) for probe in checked]
    found = [look(copied, [probe])[0][0].face.face_id for probe in checked]
    true = [best == face_id for best, face_id in zip(found, ids, strict=False)]
    ours = times(lambda turn: look(copied, [probes[turn]]), rounds)
    ten = times(lambda _: [look(copied, [each]) for each in probes[:10]], 5)
    many = (probes * 100)[:100]
    hundred = times(lambda _: look(copied, many), 3)
    with Writer(product.database_url, _NAME, others) as writer:
        stormy = times(lambda turn: look(copied, [probes[turn]]), rounds)
    sql = times(lambda turn: look(plain, [probes[turn]]), 5)
    request = {"CollectionId": _NAME, "MaxFaces": _LIMIT, "FaceMatchThreshold": _THRESHOLD}

    def ask(turn: int) -> object:
        return client.search_faces(**request, FaceId=str(ids[turn]))

    ask(0)
    time.sleep(2 * loaded + 2)
    asked = times(ask, rounds)
    read = bandwidth()
    coder = next(iter(residents._entries.values())).copy.resident.coder
    scanned = faces * coder.head / read
    memory = residents.resident_bytes / faces
    events = dict(residents.events)
    plain.close()
    copied.close()
    return [
        f"memory bandwidth: {read / 1e9:.1f} GB/s; first stage of {coder.head} bytes a face:"
        f" {1000 * scanned:.1f} ms",
        f"in memory, at the seam: {ms(ours)}; with {_WRITES} writes a second"
        f" ({writer.written} made): {ms(stormy)}",
        f"SearchFaces through boto3: {ms(asked)}",
        f"100 probes at once / 10 after each other: {ms(hundred)} / {ms(ten)}",
        f"SQL: {ms(sql)}",
        f"FAISS flat fp16: {faiss_flat(batches(), probes)}",
        f"the same answers as SQL: {sum(same)} of {len(same)}; true matches first:"
        f" {sum(true)} of {len(true)}",
        f"ready after {loaded:.1f} s (the first search took {first:.2f} s); {memory:.0f} bytes a"
        f" face; {events}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--dimension", type=int, default=manifest(DEFAULT).dimension)
    chosen = parser.parse_args()
    with serving(FACEDEX_GALLERY_MEMORY="65536") as product:
        lines = measure(product, chosen.faces, chosen.dimension, chosen.rounds)
    report(f"Searches of one collection of {chosen.faces:,} faces", *lines)


if __name__ == "__main__":
    main()
