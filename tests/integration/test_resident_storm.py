"""Searches in memory during a storm of writes by processes that are killed."""

from __future__ import annotations

import ast
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

import numpy as np

from facedex.store.collections import Collection
from facedex.store.continuous import ContinuousResidents
from facedex.store.database import Database
from tests.integration import shared_searcher, storm_writer
from tests.integration.comparing import compare
from tests.integration.galleries import make
from tests.integration.storm_writer import PEOPLE, photo, unit_vectors

SECONDS = 8.0
# Until this many answers came from memory, the storm goes on, at most this many seconds.
ENOUGH, TOO_LONG = 50, 120.0


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


def fill_gallery(database: Database, collection: Collection) -> None:
    """Add faces and users of the people of the storm."""
    people, random = unit_vectors(), np.random.default_rng(98)
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


def test_every_answer_in_a_storm_is_that_of_sql_at_the_same_snapshot(
    database: Database, database_url: str
) -> None:
    collection = make(database)
    people, random = unit_vectors(), np.random.default_rng(99)
    fill_gallery(database, collection)
    readers = [Database(database_url) for _ in range(2)]
    for each in readers:
        each.residents = ContinuousResidents(each, 64 << 20, smallest=10)
    with storm(database_url):
        start = time.monotonic()
        while time.monotonic() < start + SECONDS or (
            not sufficient(readers) and time.monotonic() < start + TOO_LONG
        ):
            for each in readers:
                probe = photo(people[random.integers(PEOPLE)], random)
                compare(each, collection, probe, limit=int(random.choice([1, 5, 20])))
    events = counted(readers)
    for each in readers:
        each.close()
    assert events["fallbacks: the copy could not be searched"] == 0, events
    assert events["fallbacks: the copy could not be brought up to date"] == 0, events
    assert sufficient(readers), events


def counted(readers: list[Database]) -> Counter[str]:
    events: Counter[str] = Counter()
    for each in readers:
        assert each.residents
        events += each.residents.events
    return events


def sufficient(readers: list[Database]) -> bool:
    """Return whether memory has answered often, and was refreshed in between."""
    events = counted(readers)
    return events["answers"] >= ENOUGH and events["refreshes"] > 4


def test_every_answer_of_processes_that_share_a_copy_is_that_of_sql(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Each process, and so the owner of the copies, is killed once."""
    collection = make(database)
    fill_gallery(database, collection)
    program, folder = str(Path(shared_searcher.__file__)), tmp_path / "galleries"

    def start(seed: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, program, database_url, str(folder), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    running = [start(seed) for seed in range(3)]
    events: Counter[str] = Counter()
    try:
        with storm(database_url):
            for seed in range(3, 6):
                time.sleep(3.0)
                victim = running.pop(0)
                assert victim.poll() is None
                victim.kill()
                victim.communicate()
                running.append(start(seed))
            time.sleep(3.0)
            for each in running:
                written, _ = each.communicate("")
                assert each.returncode == 0
                events += Counter(ast.literal_eval(written))
    finally:
        for each in running:
            each.kill()
            each.wait()
    assert events["answers"], events
    assert not events["fallbacks: the copy could not be searched"], events
    assert not events["fallbacks: the copy could not be brought up to date"], events
    assert not events["fallbacks: a file of a copy is damaged"], events
    assert list(folder.iterdir()) == []
