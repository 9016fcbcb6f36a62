"""The collection that is searched, and the two ways of searching it at the seam."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final
from urllib.request import urlopen
from uuid import UUID

import numpy as np
import psycopg

from facedex.gallery.resident import Resident
from facedex.store import collections
from facedex.store.continuous import ContinuousResidents
from facedex.store.database import Database
from facedex.store.search import Match, search
from tests.bench.galleries.filling import BATCH, add
from tests.bench.galleries.people import LIMIT, SCORE, People, Vectors, batches
from tests.bench.measuring import portrait
from tests.bench.serving import Product

NAME: Final = "staff"
PROBES: Final = 300
_PHOTO: Final = "photo"
_RESIDENT_VECTORS: Final = "facedex_gallery_resident_vectors "


class Subject:
    """A collection of a running server, and its copy in this process.

    Attributes:
        plain: the database, searched in SQL.
        copied: the same, searched in memory.
        ids: ids of some faces.
        probes: another vector of each of these people.
        photo: a portrait of another person.
        first, loaded: seconds of the first search, and until the copy was ready.
    """

    def __init__(self, product: Product, faces: int, dimension: int) -> None:
        self.product, self.faces, self._dimension = product, faces, dimension
        self.client = product.client("rekognition")
        self.photo = portrait()
        self._like = self._embed()
        self.client.create_collection(CollectionId=NAME)
        ids = add(product.database_url, NAME, batches(self.people(), faces, BATCH))
        # The writers of writing.py remove those with the last ids.
        some = [number for number, face_id in enumerate(ids) if face_id.bytes[0] < 0xF0][:PROBES]
        self.ids: list[UUID] = [ids[number] for number in some]
        first = next(batches(self.people(), faces, BATCH))
        others = self.people(seed=2)
        self.probes: list[Vectors] = [others.other_photo(first[number]) for number in some]
        self.plain, self.copied = (Database(product.database_url) for _ in range(2))
        self.copied.residents = self.residents = ContinuousResidents(self.copied, 64 << 30)
        with self.plain.reading() as connection:
            self.collection = collections.find(connection, NAME)
        begun = time.perf_counter()
        self.look(self.copied, self.probes[:1])
        self.first = time.perf_counter() - begun
        if not self.residents.settle(600.0) or not self.residents.resident_vectors:
            raise RuntimeError("the copy was not made")
        self.loaded = time.perf_counter() - begun

    def people(self, seed: int = 1) -> People:
        """Return people with vectors as the model's, always the same ones."""
        return People(self._dimension, seed, self._like)

    @property
    def resident(self) -> Resident:
        """The copy in this process."""
        (entry,) = self.residents._entries.values()
        return entry.copy.resident

    def look(self, database: Database, wanted: Sequence[Vectors]) -> list[list[Match]]:
        """Search for these probes."""
        with database.reading() as connection:
            return search(connection, self.collection, wanted, limit=LIMIT, min_score=SCORE)

    def probe(self, turn: int) -> list[Vectors]:
        """Return the probe of a turn."""
        return [self.probes[turn % len(self.probes)]]

    def ask(self, turn: int) -> object:
        """Search through boto3 for a face of the collection."""
        return self.client.search_faces(
            CollectionId=NAME,
            MaxFaces=LIMIT,
            FaceMatchThreshold=99.0,
            FaceId=str(self.ids[turn % len(self.ids)]),
        )

    def wait_for_server(self) -> None:
        """Search through boto3 until the server has its copy too."""
        end = time.monotonic() + 300.0
        while time.monotonic() < end:
            self.ask(0)
            with urlopen(f"{self.product.server.url}/metrics") as answer:
                text = answer.read().decode()
            lines = [
                line.split() for line in text.splitlines() if line.startswith(_RESIDENT_VECTORS)
            ]
            if any(float(line[-1]) for line in lines):
                return
            time.sleep(0.5)
        raise RuntimeError("the server has no copy")

    def _embed(self) -> Vectors:
        """Return the vector of the person on the photo."""
        self.client.create_collection(CollectionId=_PHOTO)
        self.client.index_faces(CollectionId=_PHOTO, Image={"Bytes": self.photo})
        with psycopg.connect(self.product.database_url) as connection:
            (vector,) = connection.execute("SELECT vector::real[] FROM faces").fetchone() or ((),)
        self.client.delete_collection(CollectionId=_PHOTO)
        return np.asarray(vector, np.float32)

    def close(self) -> None:
        self.plain.close()
        self.copied.close()
