"""One stream processor in the store, with the acts of its owner, its workers and the sweep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from facedex.store import active_streams, collections, stream_processors, stream_runs
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.stream_processors import Definition, StreamProcessor
from facedex.store.stream_runs import Checkpoint, RunLease

MODEL = "1.2"
LEASE = 30.0  # seconds


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint(f"{number:047}", f"{number:047}", 1_700_000_000.5 + number, None)


def create(
    database: Database, name: str = "door", *, collection: str = "staff", limit: int = 100
) -> StreamProcessor:
    with database.transaction() as connection:
        gallery = collections.find(connection, collection, for_update=True)
        definition = Definition(
            name,
            "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1",
            "arn:aws:kinesis:us-east-1:123456789012:stream/seen",
            "arn:aws:iam::123456789012:role/facedex",
            gallery.key,
            gallery.collection_id,
            80.0,
            None,
        )
        return stream_processors.create(connection, definition, limit=limit)


def find(database: Database, name: str = "door") -> StreamProcessor:
    with database.transaction() as connection:
        return stream_processors.find(connection, name)


def status(database: Database, name: str = "door") -> str:
    return find(database, name).status


def start(database: Database, name: str = "door") -> Any:
    with database.transaction() as connection:
        processor = stream_processors.find(connection, name, for_update=True)
        collection = collections.find(
            connection, processor.definition.collection_id, for_update=True
        )
        return stream_processors.start(connection, processor, collection)


def change(
    database: Database, act: Callable[[Any, StreamProcessor], None], name: str = "door"
) -> None:
    with database.transaction() as connection:
        act(connection, stream_processors.find(connection, name, for_update=True))


def take(database: Database, key: int, seconds: float = LEASE) -> RunLease | None:
    with database.transaction() as connection:
        return stream_runs.claim_lease(connection, key, seconds)


def taken(database: Database, key: int, seconds: float = LEASE) -> RunLease:
    lease = take(database, key, seconds)
    assert lease is not None
    return lease


def beat(database: Database, lease: RunLease, at: Checkpoint | None = None) -> str:
    with database.transaction() as connection:
        return stream_runs.extend_lease(connection, lease, LEASE, at)


def due(database: Database, key: int | None = None) -> list[int]:
    with database.transaction() as connection:
        return stream_runs.claim_messages(connection, key)


def end_impossible_runs(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [processor.name for processor in active_streams.end_impossible_runs(connection)]


def pass_time(database: Database, seconds: float) -> None:
    """Move all stored times into the past, so that everything is due that much earlier."""
    with database.transaction() as connection:
        connection.execute(
            "UPDATE stream_processors SET send_after = send_after - %(by)s,"
            " leased_at = leased_at - %(by)s, leased_until = leased_until - %(by)s",
            {"by": timedelta(seconds=seconds)},
        )


def age(database: Database, name: str = "door") -> None:
    pass_time(database, LEASE + 1)


@pytest.fixture(autouse=True)
def gallery(database: Database) -> Collection:
    with database.transaction() as connection:
        return collections.create(connection, "staff", MODEL)
