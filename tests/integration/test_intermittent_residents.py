"""A process that is frozen between requests reads copies after searches, page by page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle

import numpy as np
import psycopg
import pytest

from facedex.store import adding, associations, collections, faces, intermittent, users
from facedex.store.database import Database
from facedex.store.intermittent import IntermittentResidents
from facedex.store.search import search, search_users
from facedex_local.postgres.cluster import Postgres
from tests.integration.galleries import Vectors, index, make, place, unit_vectors
from tests.integration.residents import SIZE, answers, fill, find
from tests.integration.test_resident_limits import prune_all

associate = partial(associations.associate, min_score=-1.0)
disassociate = associations.disassociate
_PAGE = 50  # rows
_PAGES = SIZE // _PAGE
_MANY = _PAGES + 10  # searches after which a copy has been read


def drawn(more: int = 0) -> Vectors:
    return unit_vectors(SIZE + more, 6)


@pytest.fixture
def function(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """Return a function's view of the database; each search reads one page."""
    monkeypatch.setattr(intermittent, "_PAGE", _PAGE)
    monkeypatch.setattr(intermittent, "_SEGMENT", 2 * _PAGE)
    monkeypatch.setattr(intermittent, "_LONGEST", 0.0)
    monkeypatch.setattr(intermittent, "_CHANGED", 0.0)
    other = Database(f"{database_url} application_name=function", connections=2)
    other.residents = IntermittentResidents(64 << 20, smallest=10)
    yield other
    other.close()


def pages(function: Database) -> int:
    """Return how many pages of the copy that is being made have been read."""
    residents = function.residents
    assert isinstance(residents, IntermittentResidents)
    draft = residents._draft
    return draft.read if draft else 0


def test_a_copy_is_read_in_pages_after_some_searches_and_nothing_stays_open(
    database: Database, function: Database, database_url: str
) -> None:
    collection = make(database)
    vectors = drawn()
    fill(database, "staff", vectors)
    seen = []
    for _ in range(_PAGES + 4):
        assert find(function, collection, vectors[:20]) == find(database, collection, vectors[:20])
        seen.append(pages(function))
        with psycopg.connect(database_url) as observer:
            busy = observer.execute(
                "SELECT state, backend_xmin FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database() AND backend_type = 'client backend'"
            ).fetchall()
        assert set(busy) == {("idle", None)}
    # The first two searches read nothing.
    assert seen == [0, 0, *range(1, _PAGES), 0, 0, 0]
    assert answers(function) == 2
    assert "galleries" not in [thread.name for thread in threading.enumerate()]


def test_what_is_written_between_pages_is_found_and_what_is_deleted_is_not(
    database: Database, function: Database
) -> None:
    collection = make(database)
    vectors = drawn(60)
    ids = fill(database, "staff", vectors[:SIZE])
    for number in range(_MANY):
        new = vectors[SIZE + number]
        (face,) = index(database, "staff", f"new {number}".encode(), new[None])
        with database.transaction() as connection:
            faces.delete(connection, collection, [ids[7 * number]])
        probes = np.stack([new, vectors[7 * number], vectors[7 * number + 1]])
        found = find(function, collection, probes)
        assert found == find(database, collection, probes)
        assert found[0][0].face.face_id == face.face_id
        assert ids[7 * number] not in [match.face.face_id for match in found[1]]
    assert answers(function) >= 5
    assert function.residents
    assert function.residents.resident_vectors == SIZE


@pytest.mark.parametrize("commits_at", [4, _MANY])
def test_a_transaction_that_began_before_the_first_page_is_seen_when_it_commits(
    database: Database, function: Database, commits_at: int
) -> None:
    collection = make(database)
    vectors = drawn(40)
    ids = fill(database, "staff", vectors[:SIZE])
    with ExitStack() as writing:
        connection = writing.enter_context(database.transaction())
        new = adding.add(
            connection,
            collections.find(connection, "staff", for_update=True),
            adding.NewImage(
                model_version=collection.model_version,
                digest=bytes(32),
                external_image_id=None,
                faces=[
                    adding.NewFace(place(number), 99.5, vector)
                    for number, vector in enumerate(vectors[SIZE:])
                ],
            ),
        )
        faces.delete(connection, collection, ids[:40])
        for number in range(2 * _MANY):
            if number == commits_at:
                writing.close()
            for start in (0, SIZE):
                probes = vectors[start : start + 5]
                found = find(function, collection, probes)
                assert found == find(database, collection, probes)
                first = {matches[0].face.face_id for matches in found if matches}
                written = {face.face_id for face in new} if start else set(ids[:40])
                assert bool(first & written) is ((start > 0) == (number >= commits_at))
    assert answers(function) >= 10
    assert function.residents
    assert function.residents.resident_vectors == SIZE


def test_users_that_change_between_pages_are_found_with_their_new_vectors(
    database: Database, function: Database
) -> None:
    collection = make(database)
    vectors = drawn()
    ids = fill(database, "staff", vectors)
    with database.transaction() as connection:
        for number in range(250):
            users.create(connection, collection, f"user {number}")
            associate(connection, collection, f"user {number}", [ids[number]])
    for number in range(_MANY):
        with database.transaction() as connection:
            moved = ids[200 + number]
            associate(connection, collection, f"user {5 * number}", [moved])
            disassociate(connection, collection, f"user {5 * number}", [ids[5 * number]])
        for probe in (vectors[200 + number], vectors[5 * number], vectors[5 * number + 1]):
            both = []
            for each in (function, database):
                with each.reading() as connection:
                    both.append(search_users(connection, collection, probe, limit=5, min_score=0.1))
            assert both[0] == both[1]
    assert answers(function) >= 5


def test_a_process_whose_connections_died_while_it_was_frozen_goes_on(
    database: Database, function: Database, postgres: Postgres
) -> None:
    collection = make(database)
    vectors = drawn()
    fill(database, "staff", vectors)
    for number in range(_PAGES + 4):
        assert find(function, collection, vectors[:5]) == find(database, collection, vectors[:5])
        if number % 4:
            continue
        with psycopg.connect(postgres.url, autocommit=True) as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE application_name = 'function'"
            )
    assert answers(function) == 2


@pytest.mark.parametrize("when", ["reading", "searching"])
def test_a_copy_that_was_frozen_longer_than_the_log_is_kept_is_read_again(
    database: Database, function: Database, when: str
) -> None:
    collection = make(database)
    vectors = drawn(1)
    ids = fill(database, "staff", vectors[:SIZE])
    for _ in range(5) if when == "reading" else range(_MANY):
        find(function, collection, vectors[:5])
    assert (pages(function) == 3) is (when == "reading")
    index(database, "staff", b"meanwhile", vectors[SIZE:])
    with database.transaction() as connection:
        faces.delete(connection, collection, ids[:100])
    prune_all(database)
    residents = function.residents
    assert residents
    before = answers(function)
    for _ in range(_MANY):
        found = find(function, collection, vectors[:20])
        assert found == find(database, collection, vectors[:20])
        residents._refused.clear()
    assert answers(function) > before
    assert residents.resident_vectors == SIZE - 99


@pytest.mark.parametrize("clock", [lambda: 0.0, cycle([1e9, 1e6, 1e12]).__next__])
def test_a_clock_that_stands_still_or_jumps_changes_no_answer(
    database: Database,
    function: Database,
    clock: Callable[[], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("time", "perf_counter"):
        monkeypatch.setattr(intermittent, name, clock)
    monkeypatch.setattr("facedex.store.residents.monotonic", clock)
    monkeypatch.setattr(intermittent, "_CHANGED", 1.0)
    collection = make(database)
    vectors = drawn(100)
    fill(database, "staff", vectors[:SIZE])
    for number in range(2 * _MANY):
        new = vectors[SIZE + number]
        index(database, "staff", f"{number}".encode(), new[None])
        assert find(function, collection, new[None]) == find(database, collection, new[None])
    assert answers(function) >= 5


def test_a_deleted_collection_is_not_read_further(database: Database, function: Database) -> None:
    collection = make(database)
    vectors = drawn()
    fill(database, "staff", vectors)
    other = make(database, "others")
    fill(database, "others", vectors)
    for _ in range(5):
        find(function, collection, vectors[:1])
    assert pages(function) == 3
    collections.delete(database, "staff")
    for _ in range(2 * _MANY):
        assert find(function, other, vectors[:3]) == find(database, other, vectors[:3])
    assert function.residents
    assert function.residents.events["loads"] == 1
    assert function.residents.resident_vectors == SIZE


def test_without_the_log_sql_answers_and_the_reason_is_logged_once(
    database: Database, function: Database, caplog: pytest.LogCaptureFixture
) -> None:
    collection = make(database)
    vectors = drawn()
    fill(database, "staff", vectors)
    with database.transaction() as connection:
        connection.execute("DROP TABLE gallery_log")
    residents = function.residents
    assert residents
    for _ in range(_MANY):
        assert find(function, collection, vectors[:2]) == find(database, collection, vectors[:2])
        residents._refused.clear()
    assert answers(function) == 0
    assert residents.events["fallbacks: the copy could not be read"] == _MANY - 2
    assert caplog.text.count("the copy could not be read") == 1


def test_a_page_that_cannot_be_read_costs_no_answer_and_is_read_later(
    database: Database, function: Database, caplog: pytest.LogCaptureFixture
) -> None:
    collection = make(database)
    vectors = drawn()
    fill(database, "staff", vectors)
    residents = function.residents
    assert residents
    for before, after in ((None, None), ("halfvec_send", "renamed"), ("renamed", "halfvec_send")):
        if before:
            with database.transaction() as connection:
                connection.execute(f"ALTER FUNCTION {before}(halfvec) RENAME TO {after}")
        residents._refused.clear()
        for _ in range(_MANY if after == "halfvec_send" else 5):
            found = find(function, collection, vectors[:2])
            assert found == find(database, collection, vectors[:2])
        assert pages(function) == (0 if before else 3)
    assert answers(function) > 0
    assert residents.events["fallbacks: the copy could not be read"] == 1
    assert caplog.text.count("the copy could not be read") == 1


def test_a_search_in_a_transaction_reads_no_page(database: Database, function: Database) -> None:
    collection = make(database)
    vectors = drawn()
    fill(database, "staff", vectors)
    for _ in range(_MANY):
        with function.transaction() as connection:
            search(connection, collection, list(vectors[:1]), limit=3, min_score=0.1)
    assert pages(function) == answers(function) == 0
