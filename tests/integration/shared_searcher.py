"""A process that compares searches in shared copies with SQL until it is killed or ended."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from threading import Thread
from time import monotonic

import numpy as np

from facedex.store import collections
from facedex.store.continuous import ContinuousResidents
from facedex.store.database import Database
from tests.integration.comparing import compare
from tests.integration.storm_writer import PEOPLE, photo, unit_vectors

TOO_LONG = 120.0  # seconds


def search(database_url: str, directory: str, seed: int) -> None:
    """Compare until the standard input ends and memory has answered; then write the events."""
    ended = Thread(target=sys.stdin.read, daemon=True)
    ended.start()
    random, people = np.random.default_rng(seed), unit_vectors()
    database = Database(database_url)
    database.residents = residents = ContinuousResidents(
        database, 64 << 20, smallest=10, directory=Path(directory)
    )
    with database.reading() as connection:
        collection = collections.find(connection, "staff")
    last = monotonic() + TOO_LONG
    while ended.is_alive() or (not residents.events["answers"] and monotonic() < last):
        probe = photo(people[random.integers(PEOPLE)], random)
        compare(database, collection, probe, limit=int(random.choice([1, 5, 20])))
    events = dict(residents.events)
    database.close()
    for each in threading.enumerate():
        if each.name == "galleries":
            each.join(TOO_LONG)  # on a busy machine, it may still be making a copy
    print(events)


if __name__ == "__main__":
    search(sys.argv[1], sys.argv[2], int(sys.argv[3]))
