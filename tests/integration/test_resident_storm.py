"""Searches in memory during a storm of writes by processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from facedex.store import collections, search
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.residents import Residents
from tests.integration import storm_writer
from tests.integration.galleries import Vectors, make
from tests.integration.storm_writer import PEOPLE, photo, unit_vectors

SECONDS = 8.0


@contextmanager
def storm(database_url: str) -> Iterator[None]:
    """Run three writers while the block runs; one is killed and replaced now and then."""
    program = str(Path(storm_writer.__file__))

    def start(seed: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, program, database_url, str(seed)])

    running = [start(seed) for seed in range(3)]
    ended = False

    def kill_some() -> None:
        seed = 3
        while not ended:
            time.sleep(1.5)
            victim = running.pop(0)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            running.append(start(seed))
            seed += 1

    killer = Thread(target=kill_some)
    killer.start()
    try:
        yield
    finally:
        ended = True
        killer.join()
        for each in running:
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
            each.wait()


def test_every_answer_in_a_storm_is_that_of_sql_at_the_same_snapshot(
    database: Database, database_url: str
) -> None:
    collection = make(database)
    people, random = unit_vectors(), np.random.default_rng(99)
    with database.transaction() as connection:
        connection.cursor().executemany(
            "INSERT INTO faces (collection_key, face_id, image_id, image_digest, face_number,"
            " box_left, box_top, box_width, box_height, confidence, vector) SELECT %s,"
            " gen_random_uuid(), gen_random_uuid(), '', 0, 0, 0, 1, 1, 99, %s::real[]::halfvec",
            [(collection.key, photo(people[n % PEOPLE], random).tolist()) for n in range(1500)],
        )
        connection.execute(
            "INSERT INTO users (collection_key, user_id, vector)"
            " SELECT collection_key, face_id::text, vector FROM faces LIMIT 300"
        )
        connection.execute(
            "INSERT INTO collection_counts (collection_key, slot, faces, users)"
            " VALUES (%s, 99, 1500, 300)",
            (collection.key,),
        )
    readers = [Database(database_url) for _ in range(2)]
    for each in readers:
        each.residents = Residents(each, 64 << 20, smallest=10)
    compared = 0
    with storm(database_url):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for each in readers:
                probe = photo(people[random.integers(PEOPLE)], random)
                compare(each, collection, probe, limit=int(random.choice([1, 5, 20])))
                compared += 1
    events: Counter[str] = Counter()
    for each in readers:
        assert each.residents
        events += each.residents.events
    for each in readers:
        each.close()
    assert events["fallbacks: the copy could not be searched"] == 0, events
    assert events["fallbacks: the copy could not be brought up to date"] == 0, events
    assert events["refreshes"] > 4, events
    # A refresh between the snapshot and the search makes SQL answer.
    assert events["answers"] > compared, (compared, events)


def compare(database: Database, collection: Collection, probe: Vectors, *, limit: int) -> None:
    """Compare both searches, of faces and users, with SQL's own at one snapshot."""
    options: dict[str, Any] = {"limit": limit, "min_score": 0.3}
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert collections.find(connection, "staff") == collection
        found = search.search(connection, collection, [probe, -probe], **options)
        users = search.search_users(connection, collection, probe, **options)
        residents, connection.residents = connection.residents, None
        assert found == search.search(connection, collection, [probe, -probe], **options)
        assert users == search.search_users(connection, collection, probe, **options)
        connection.residents = residents
