"""A process that compares searches in shared copies with SQL until it is killed or ended."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

import numpy as np

from facedex.store import collections
from facedex.store.continuous import ContinuousResidents
from facedex.store.database import Database
from tests.integration.comparing import compare
from tests.integration.storm_writer import PEOPLE, photo, unit_vectors


def search(database_url: str, directory: str, seed: int) -> None:
    """Compare until the standard input ends; then write the numbers of events."""
    ended = Thread(target=sys.stdin.read, daemon=True)
    ended.start()
    random, people = np.random.default_rng(seed), unit_vectors()
    database = Database(database_url)
    database.residents = residents = ContinuousResidents(
        database, 64 << 20, smallest=10, directory=Path(directory)
    )
    with database.reading() as connection:
        collection = collections.find(connection, "staff")
    while ended.is_alive():
        probe = photo(people[random.integers(PEOPLE)], random)
        compare(database, collection, probe, limit=int(random.choice([1, 5, 20])))
    events = dict(residents.events)
    database.close()
    print(events)


if __name__ == "__main__":
    search(sys.argv[1], sys.argv[2], int(sys.argv[3]))
