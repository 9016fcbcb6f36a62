"""Copies in memory that a fault interrupts: each search is answered as by SQL, and they heal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import pytest

from facedex.gallery.resident import Resident
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.residents import Residents
from tests.integration.galleries import Vectors, make, unit_vectors
from tests.integration.residents import SIZE, answers, fill, find, warm


@dataclass(frozen=True)
class Gallery:
    """A gallery that one process searches in SQL, and another with a copy if it has one."""

    plain: Database
    copied: Database
    residents: Residents
    collection: Collection
    vectors: Vectors

    @property
    def answers(self) -> int:
        """The number of answers from memory."""
        return answers(self.copied)

    def warm(self) -> None:
        """Search until the copy is made."""
        warm(self.copied, self.collection, self.vectors)

    def require_same(self, probes: Vectors) -> None:
        """Check that both processes give the same answer."""
        assert find(self.copied, self.collection, probes) == find(
            self.plain, self.collection, probes
        )


@pytest.fixture
def staff(database: Database, resident_database: Database) -> Gallery:
    collection, vectors = make(database), unit_vectors(SIZE)
    fill(database, "staff", vectors)
    assert resident_database.residents
    return Gallery(database, resident_database, resident_database.residents, collection, vectors)


def test_without_memory_for_a_scan_sql_answers(
    staff: Gallery,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    staff.warm()
    # The error that FAISS's binding makes of std::bad_alloc.
    monkeypatch.setattr(faiss.IndexScalarQuantizer, "search", _fail)
    # The copy that failed is dropped, and each second search finds a new one.
    for _ in range(5):
        staff.require_same(staff.vectors[:1])
        assert staff.residents.settle()
    assert staff.answers == 0
    assert staff.residents.events["fallbacks: the copy could not be searched"] == 3
    assert caplog.text.count("could not be searched (MemoryError)") == 1
    monkeypatch.undo()
    staff.warm()
    staff.require_same(staff.vectors[:1])
    assert staff.answers == 1


def test_without_memory_for_changes_a_copy_is_read_again(
    staff: Gallery,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    staff.warm()
    new = unit_vectors(3, seed=8)
    monkeypatch.setattr(Resident, "add", _fail)
    for number, vector in enumerate(new):
        fill(staff.plain, "staff", vector[None], seed=f"new {number}")
        # The copy without the change, then none, then one that was read with it.
        for _ in range(3):
            staff.require_same(new)
            assert staff.residents.settle()
    assert staff.residents.events["fallbacks: the copy could not be brought up to date"] == len(new)
    assert caplog.text.count("could not be brought up to date (MemoryError)") == 1
    assert staff.residents.events["loads"] == 1 + len(new)
    monkeypatch.undo()
    before = staff.answers
    staff.require_same(new)
    assert staff.answers == before + 1


@pytest.mark.parametrize(("times", "loads"), [(13, 1), (51, 2)])
def test_a_copy_that_lacks_many_changes_is_not_used_until_it_has_them(
    times: int,
    loads: int,
    staff: Gallery,
    caplog: pytest.LogCaptureFixture,
) -> None:
    staff.warm()
    add_all_again(staff.plain, staff.collection, times)
    staff.require_same(staff.vectors[:2])
    assert staff.answers == 0
    assert staff.residents.events["fallbacks: the copy lacks many changes"] == 1
    assert caplog.text.count("the copy lacks many changes") == 1
    # The copy is brought up to date, or dropped and read again with the next search.
    for _ in range(2):
        assert staff.residents.settle()
        staff.require_same(staff.vectors[:2])
    assert staff.residents.settle()
    staff.require_same(staff.vectors[:2])
    assert staff.answers >= 1
    assert staff.residents.events["loads"] == loads
    assert staff.residents.resident_vectors == SIZE * (1 + times)


def test_copies_are_used_again_when_the_log_is_back(
    staff: Gallery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("facedex.store.residents._RETRY", 0.0)
    staff.warm()
    with staff.plain.transaction() as connection:
        connection.execute("ALTER TABLE gallery_log RENAME TO missing")
    for _ in range(3):
        staff.require_same(staff.vectors[:2])
    assert staff.answers == 0
    assert staff.residents.resident_vectors == 0
    with staff.plain.transaction() as connection:
        connection.execute("ALTER TABLE missing RENAME TO gallery_log")
    assert staff.residents.settle()
    staff.warm()
    before = staff.answers
    staff.require_same(staff.vectors[:2])
    assert staff.answers == before + 1


def test_without_memory_for_a_thread_sql_answers(
    staff: Gallery,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("threading.Thread.start", _refuse)
    for _ in range(2):
        staff.require_same(staff.vectors[:1])
    assert staff.residents.events["fallbacks: the copy could not be searched"] == 2
    assert caplog.text.count("could not be searched (RuntimeError)") == 1
    monkeypatch.undo()
    staff.warm()
    staff.require_same(staff.vectors[:1])
    assert staff.answers == 1


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
