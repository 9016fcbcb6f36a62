"""A gallery is read completely at one snapshot, whatever the table and the connections."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from threading import Barrier, Event
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from psycopg.conninfo import make_conninfo

from facedex.store import faces, gallery_reading, vector_memory
from facedex.store.collections import Collection
from facedex.store.copies import FACES, USERS, Kind
from facedex.store.database import Database
from facedex.store.gallery_reading import Reading, snapshot_of
from tests.integration.galleries import Vectors, make, unit_vectors
from tests.integration.residents import fill

COUNT = 600


@pytest.fixture
def filled(database: Database) -> tuple[Collection, dict[UUID, Any]]:
    """Return a collection, and the vectors of its faces as Postgres has them."""
    collection = make(database)
    vectors = unit_vectors(COUNT)
    ids = fill(database, "staff", vectors)
    make(database, "others")
    fill(database, "others", unit_vectors(200, seed=2))
    halves = vectors.astype(np.float16)
    return collection, {face_id: each.tobytes() for face_id, each in zip(ids, halves, strict=True)}


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Read a table of some blocks as if it were large."""
    monkeypatch.setattr(gallery_reading, "_ROWS", 10)
    monkeypatch.setattr(gallery_reading, "_RANGES", 2)
    monkeypatch.setattr(gallery_reading, "_SAMPLE", 60)
    monkeypatch.setattr(gallery_reading, "processors", lambda: 3)
    return monkeypatch


class Taken:
    """The rows that the threads of a reading have taken.

    Args:
        together: the number of threads that wait for each other before they take anything.
    """

    def __init__(self, together: int = 1) -> None:
        self.rows: dict[UUID, bytes] = {}
        self.threads = self.batches = 0
        self._numbers, self._together = count(1), Barrier(together)

    def __call__(self, batches: Iterator[Any]) -> None:
        number = next(self._numbers)
        self.threads = max(self.threads, number)
        if number <= self._together.parties:
            self._together.wait(60.0)
        for ids, vectors in batches:
            self.batches += 1
            for key, vector in zip(ids.astype(">u8"), vectors, strict=True):
                face_id = UUID(bytes=key.tobytes())
                assert face_id not in self.rows
                self.rows[face_id] = vector.tobytes()


def read(
    database: Database, collection: Collection, take: Any, *, kind: Kind = FACES, size: int = COUNT
) -> Vectors | None:
    with database.reading() as connection, snapshot_of(connection):
        reading = Reading(database, connection, kind.table, kind.key, collection.key, size)
        sample = reading.sample()
        reading.run(take)
        return None if sample is None else sample.astype(np.float32)


@pytest.mark.parametrize("dense", [0.0, 1e9])
def test_all_rows_are_read_once_by_their_place_or_key(
    database: Database,
    filled: tuple[Collection, dict[UUID, Any]],
    small_ranges: pytest.MonkeyPatch,
    dense: float,
) -> None:
    small_ranges.setattr(gallery_reading, "_DENSE", dense)
    collection, expected = filled
    for size in (COUNT // 2, COUNT, 3 * COUNT):  # the counts may be wrong
        taken = Taken(together=2)
        sample = read(database, collection, taken, size=size)
        assert taken.rows == expected
        assert taken.threads > 1
        assert taken.batches > 10
        assert sample is not None
        assert 10 <= len(sample) <= 60
        assert {each.tobytes() for each in sample.astype(np.float16)} <= set(expected.values())


def test_other_connections_see_the_snapshot_of_the_first(
    database: Database, filled: tuple[Collection, dict[UUID, Any]], small_ranges: object
) -> None:
    collection, expected = filled
    taken = Taken()
    deleted: list[UUID] = []

    def take(batches: Iterator[Any]) -> None:
        if not deleted:
            deleted.extend(expected)
            with database.transaction() as connection:
                faces.delete(connection, collection, deleted)
            fill(database, "staff", unit_vectors(100, seed=3), "later")
        taken(batches)

    read(database, collection, take)
    assert taken.rows == expected


@pytest.mark.parametrize("may_declare", [True, False])
def test_vectors_are_read_as_postgres_has_them_or_as_it_sends_them(
    database_url: str,
    filled: tuple[Collection, dict[UUID, Any]],
    small_ranges: object,
    may_declare: bool,
) -> None:
    collection, expected = filled
    options = {} if may_declare else {"options": "-c default_transaction_read_only=on"}
    other = Database(make_conninfo(database_url, **options))
    for _ in range(2):  # the second time, the connections have the function
        taken = Taken(together=2)
        read(other, collection, taken)
        assert taken.rows == expected
    with other.reading() as connection:
        assert vector_memory.declared(connection) == may_declare
        connection.execute("DISCARD TEMP")
    taken = Taken()
    read(other, collection, taken)
    assert taken.rows == expected
    other.close()


def test_a_transaction_on_another_server_connection_reads_vectors_as_they_are_sent(
    database: Database, filled: tuple[Collection, dict[UUID, Any]], small_ranges: object
) -> None:
    collection, expected = filled
    taken = Taken()
    with database.reading() as connection, connection.snapshot():
        assert not vector_memory.declared(connection)
        Reading(database, connection, FACES.table, FACES.key, collection.key, COUNT).run(taken)
    assert taken.rows == expected


@pytest.mark.parametrize("connections", [1, 3])
def test_one_connection_suffices(
    database_url: str,
    filled: tuple[Collection, dict[UUID, Any]],
    small_ranges: object,
    connections: int,
) -> None:
    collection, expected = filled
    other = Database(database_url, connections=connections)
    taken = Taken()
    read(other, collection, taken)
    assert taken.rows == expected
    assert taken.threads == 1
    other.close()


def test_a_reading_without_a_second_connection_in_time_is_complete(
    database_url: str, filled: tuple[Collection, dict[UUID, Any]], small_ranges: object
) -> None:
    collection, expected = filled
    patience = 60.0
    other = Database(database_url, connections=4, patience=lambda: patience)
    taken = Taken()
    with other.reading(), other.reading(), other.reading(), other.reading():
        pass  # all connections are open now
    with other.reading(), other.reading(), other.reading():
        patience = 0.2
        read(other, collection, taken)
    assert taken.rows == expected
    assert taken.threads == 1
    other.close()


def test_a_failure_in_any_thread_ends_the_reading(
    database: Database, filled: tuple[Collection, dict[UUID, Any]], small_ranges: object
) -> None:
    collection, expected = filled
    for failing in (1, 2):
        numbers, second = iter(range(1, 5)), Event()

        def take(
            batches: Iterator[Any],
            failing: int = failing,
            numbers: Iterator[int] = numbers,
            second: Event = second,
        ) -> None:
            number = next(numbers)
            if number == failing:
                second.set()
                raise MemoryError
            second.wait(60.0)
            for _ in batches:
                pass

        with pytest.raises(MemoryError):
            read(database, collection, take)
    taken = Taken()
    read(database, collection, taken)
    assert taken.rows == expected


def test_a_gallery_without_vectors_has_no_sample(
    database: Database, filled: tuple[Collection, dict[UUID, Any]]
) -> None:
    collection, _ = filled
    assert read(database, collection, Taken(), kind=USERS, size=10) is None
