"""Copies in memory that a fault interrupts: each search is answered as by SQL, and they heal."""

from __future__ import annotations

from typing import Any

import faiss
import pytest

from facedex.gallery.resident import Resident
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.residents import Residents
from tests.integration.galleries import Vectors, make, unit_vectors
from tests.integration.residents import SIZE, answers, fill, find, warm


@pytest.fixture
def collection(database: Database) -> Collection:
    return make(database)


@pytest.fixture
def vectors(database: Database, collection: Collection) -> Vectors:
    vectors = unit_vectors(SIZE)
    fill(database, "staff", vectors)
    return vectors


@pytest.fixture
def residents(resident_database: Database) -> Residents:
    assert resident_database.residents
    return resident_database.residents


def test_without_memory_for_a_scan_sql_answers(
    database: Database,
    resident_database: Database,
    residents: Residents,
    collection: Collection,
    vectors: Vectors,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    warm(resident_database, collection, vectors)
    # The error that FAISS's binding makes of std::bad_alloc.
    monkeypatch.setattr(faiss.IndexScalarQuantizer, "search", _fail)
    # The copy that failed is dropped, and each second search finds a new one.
    for _ in range(5):
        same(database, resident_database, collection, vectors[:1])
        assert residents.settle()
    assert answers(resident_database) == 0
    assert residents.events["fallbacks: the copy could not be searched"] == 3
    assert caplog.text.count("could not be searched (MemoryError)") == 1
    monkeypatch.undo()
    warm(resident_database, collection, vectors)
    same(database, resident_database, collection, vectors[:1])
    assert answers(resident_database) == 1


def test_without_memory_for_changes_a_copy_is_read_again(
    database: Database,
    resident_database: Database,
    residents: Residents,
    collection: Collection,
    vectors: Vectors,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    warm(resident_database, collection, vectors)
    new = unit_vectors(3, seed=8)
    monkeypatch.setattr(Resident, "add", _fail)
    for number, vector in enumerate(new):
        fill(database, "staff", vector[None], seed=f"new {number}")
        # The copy without the change, then none, then one that was read with it.
        for _ in range(3):
            same(database, resident_database, collection, new)
            assert residents.settle()
    assert residents.events["fallbacks: the copy could not be brought up to date"] == len(new)
    assert caplog.text.count("could not be brought up to date (MemoryError)") == 1
    assert residents.events["loads"] == 1 + len(new)
    monkeypatch.undo()
    before = answers(resident_database)
    same(database, resident_database, collection, new)
    assert answers(resident_database) == before + 1


@pytest.mark.parametrize(("times", "loads"), [(13, 1), (51, 2)])
def test_a_copy_that_lacks_many_changes_is_not_used_until_it_has_them(
    times: int,
    loads: int,
    database: Database,
    resident_database: Database,
    residents: Residents,
    collection: Collection,
    vectors: Vectors,
    caplog: pytest.LogCaptureFixture,
) -> None:
    warm(resident_database, collection, vectors)
    add_all_again(database, collection, times)
    same(database, resident_database, collection, vectors[:2])
    assert answers(resident_database) == 0
    assert residents.events["fallbacks: the copy lacks many changes"] == 1
    assert caplog.text.count("the copy lacks many changes") == 1
    # The copy is brought up to date, or dropped and read again with the next search.
    for _ in range(2):
        assert residents.settle()
        same(database, resident_database, collection, vectors[:2])
    assert residents.settle()
    same(database, resident_database, collection, vectors[:2])
    assert answers(resident_database) >= 1
    assert residents.events["loads"] == loads
    assert residents.resident_vectors == SIZE * (1 + times)


def test_copies_are_used_again_when_the_log_is_back(
    database: Database,
    resident_database: Database,
    residents: Residents,
    collection: Collection,
    vectors: Vectors,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("facedex.store.residents._RETRY", 0.0)
    warm(resident_database, collection, vectors)
    with database.transaction() as connection:
        connection.execute("ALTER TABLE gallery_log RENAME TO missing")
    for _ in range(3):
        same(database, resident_database, collection, vectors[:2])
    assert answers(resident_database) == 0
    assert residents.resident_vectors == 0
    with database.transaction() as connection:
        connection.execute("ALTER TABLE missing RENAME TO gallery_log")
    assert residents.settle()
    warm(resident_database, collection, vectors)
    before = answers(resident_database)
    same(database, resident_database, collection, vectors[:2])
    assert answers(resident_database) == before + 1


def test_without_memory_for_a_thread_sql_answers(
    database: Database,
    resident_database: Database,
    residents: Residents,
    collection: Collection,
    vectors: Vectors,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("threading.Thread.start", _refuse)
    for _ in range(2):
        same(database, resident_database, collection, vectors[:1])
    assert residents.events["fallbacks: the copy could not be searched"] == 2
    assert caplog.text.count("could not be searched (RuntimeError)") == 1
    monkeypatch.undo()
    warm(resident_database, collection, vectors)
    same(database, resident_database, collection, vectors[:1])
    assert answers(resident_database) == 1


def same(database: Database, other: Database, collection: Collection, probes: Vectors) -> None:
    """Check that both databases give the same answer, one from memory or not, one from SQL."""
    assert find(other, collection, probes) == find(database, collection, probes)


def add_all_again(database: Database, collection: Collection, times: int) -> None:
    """Add a number of copies of each face, in one transaction."""
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO faces (collection_key, face_id, image_id, image_digest, face_number,"
            " box_left, box_top, box_width, box_height, confidence, vector) SELECT collection_key,"
            " gen_random_uuid(), gen_random_uuid(), '', 0, 0, 0, 1, 1, 99, vector"
            " FROM faces CROSS JOIN generate_series(1, %s) WHERE collection_key = %s",
            (times, collection.key),
        )
        connection.execute(
            "INSERT INTO collection_counts (collection_key, slot, faces) VALUES (%s, 99, %s)",
            (collection.key, SIZE * times),
        )


def _fail(*_arguments: Any, **_options: Any) -> Any:
    raise MemoryError("std::bad_alloc")


def _refuse(*_arguments: Any, **_options: Any) -> Any:
    raise RuntimeError("can't start new thread")
