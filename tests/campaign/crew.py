"""Clients at work on one machine, and the check of its tables: for every part that disturbs it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.campaign.mix import Client, clients
from tests.campaign.stage import Stage
from tests.campaign.tally import Tally
from tests.campaign.views import views
from tests.e2e.consistency import contradictions, orphans
from tests.e2e.restarting import Machine
from tests.e2e.tables import Tables

_COLLECTION = "staff"
_SWEEP = 60.0  # maximum seconds until the rows of deleted collections are gone


@contextmanager
def stopping(machine: Machine, tally: Tally) -> Iterator[Machine]:
    """Stop the machine's server at the end of the block, and check that it ends by itself."""
    try:
        yield machine
    finally:
        if status := machine.server.stop():
            tally.surprise(f"The server stopped with status {status}.")


def enlist(machine: Machine, stage: Stage, tally: Tally, number: int) -> list[Client]:
    """Create a collection, and return a number of clients that work on it."""
    machine.client("rekognition").create_collection(CollectionId=_COLLECTION)
    pictures = views(stage.portraits)
    return clients(machine.url, _COLLECTION, pictures, tally, stage.random, number)


def check_tables(machine: Machine, tally: Tally) -> None:
    """Compare the tables with each other: users with their faces' means, counters, deletions."""
    tables = Tables(machine.server)
    try:
        end = time.monotonic() + _SWEEP
        while (found := orphans(tables)) and time.monotonic() < end:
            time.sleep(0.5)
        if found:
            tally.lose(f"Rows of deleted collections remain: {found}")
        for sentence in contradictions(tables):
            tally.lose(f"In the tables, {sentence}.")
        ((users,),) = tables.rows("SELECT count(*) FROM users")
        tally.check(int(users))
    finally:
        tables.close()
