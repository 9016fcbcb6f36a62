"""Definitions of stream processors in the store: names, limit, order, tags and data sharing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from facedex.store import active_streams, stream_processors, tags
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.store_errors import (
    StreamProcessorInUse,
    StreamProcessorNotFound,
    TooManyStreamProcessors,
)
from tests.integration.stream_store import (
    beat,
    change,
    create,
    due,
    find,
    gallery,
    start,
    take,
    taken,
)

__all__ = ["gallery"]


def test_new_processor_is_stopped_and_has_no_worker(database: Database) -> None:
    made = create(database)
    assert made == find(database)
    assert (made.status, made.status_message) == ("STOPPED", None)
    assert made.created_at == made.updated_at
    assert due(database) == []
    assert take(database, made.key) is None
    with database.transaction() as connection:
        assert active_streams.count_active(connection) == 0


def test_name_is_taken_until_its_processor_is_deleted(database: Database) -> None:
    first = create(database)
    with pytest.raises(StreamProcessorInUse, match="door"):
        create(database)
    change(database, stream_processors.delete)
    with pytest.raises(StreamProcessorNotFound, match="door"):
        find(database)
    assert create(database).key != first.key


def test_concurrent_creations_do_not_exceed_the_limit(
    database: Database,
) -> None:
    def attempt(number: int) -> bool:
        try:
            create(database, f"door{number}", limit=3)
        except TooManyStreamProcessors:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(12))) == 3


def test_processors_are_listed_in_order_of_creation(database: Database) -> None:
    for name in ("c", "a", "b"):
        create(database, name)
    with database.transaction() as connection:
        first = stream_processors.page(connection, after=0, limit=2)
        rest = stream_processors.page(connection, after=first[-1].key, limit=2)
    assert [each.name for each in first + rest] == ["c", "a", "b"]


def test_tags_of_a_processor_are_deleted_with_it_and_apart_from_those_of_collections(
    database: Database, gallery: Collection
) -> None:
    processor = create(database)
    with database.transaction() as connection:
        tags.put(connection, processor, {"site": "north", "team": "door"})
        tags.put(connection, gallery, {"site": "south"})
        tags.remove(connection, processor, ["team", "unknown"])
        assert tags.read(connection, processor) == {"site": "north"}
        assert tags.read(connection, gallery) == {"site": "south"}
    change(database, stream_processors.delete)
    with database.transaction() as connection:
        assert connection.execute("SELECT 1 FROM stream_processor_tags").fetchone() is None


def test_data_sharing_preference_is_stored_without_touching_the_run(database: Database) -> None:
    key = create(database).key
    start(database)
    lease = taken(database, key)
    change(database, lambda connection, it: stream_processors.share_data(connection, it, True))
    assert find(database).definition.data_sharing is True
    assert find(database).updated_at > lease.processor.updated_at
    assert beat(database, lease) == "RUNNING"
