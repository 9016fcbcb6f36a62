"""Processes of one machine share copies of galleries, whose files only their owner can read."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from facedex.gallery import sharing
from facedex.store import collections, continuous, faces, residents
from facedex.store.collections import Collection
from facedex.store.continuous import ContinuousResidents
from facedex.store.copies import FACES
from facedex.store.database import Database
from facedex.store.residents import Residents
from tests.integration.galleries import Vectors, make, unit_vectors
from tests.integration.residents import SIZE, answers, fill, find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "galleries"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the intervals."""
    monkeypatch.setattr(residents, "_SOON", 0.1)
    for name in ("_REFRESH", "_BETWEEN", "_LOOK"):
        monkeypatch.setattr(continuous, name, 0.1)


@pytest.fixture
def pair(database_url: str, folder: Path, quick: None) -> Iterator[tuple[Database, Database]]:
    """Return the views of two processes that share copies."""
    views = Database(database_url), Database(database_url)
    for view in views:
        view.residents = ContinuousResidents(view, 64 << 20, smallest=10, directory=folder)
    yield views
    for view in views:
        view.close()


def known(view: Database) -> Residents:
    assert view.residents
    return view.residents


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def use(view: Database, collection: Collection, probes: Vectors) -> None:
    """Search until the view answers from memory."""

    def answered() -> bool:
        before = answers(view)
        find(view, collection, probes[:1])
        return answers(view) > before

    eventually(answered)


def make_staff(database: Database, count: int = SIZE) -> tuple[Collection, Vectors, list[UUID]]:
    collection, vectors = make(database), unit_vectors(count)
    return collection, vectors, fill(database, "staff", vectors)


def segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix[1:].isdigit())


def test_the_second_process_uses_the_copy_of_the_first(
    database: Database, pair: tuple[Database, Database], folder: Path
) -> None:
    collection, vectors, _ = make_staff(database)
    for view in pair:
        use(view, collection, vectors)
        assert find(view, collection, vectors[:50]) == find(database, collection, vectors[:50])
    first, second = map(known, pair)
    assert first.events["loads"] == 1
    assert second.events["loads"] == 0
    assert first.resident_bytes == segments(folder)[0].stat().st_size
    assert second.resident_bytes == second.resident_vectors == 0
    assert not sum(view.residents.events["fallbacks"] for view in pair if view.residents)


def test_only_the_user_of_the_server_can_read_the_files(
    database: Database, pair: tuple[Database, Database], folder: Path
) -> None:
    collection, vectors, _ = make_staff(database)
    before = os.umask(0)
    try:
        use(pair[0], collection, vectors)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 3


def test_changes_reach_the_other_process_and_deleted_faces_leave_the_files(
    database: Database, pair: tuple[Database, Database], folder: Path
) -> None:
    collection, vectors, ids = make_staff(database)
    for view in pair:
        use(view, collection, vectors)
    (path,) = segments(folder)
    owner = known(pair[0])
    copy = owner.find(collection, FACES)
    assert copy
    (code,) = copy.resident.coder.encode(vectors[:1].astype(np.float16)).heads
    assert code.tobytes() in path.read_bytes()
    fill(database, "staff", unit_vectors(30, seed=5), "new")
    with database.transaction() as connection:
        faces.delete(connection, collection, ids[:20])
    new = np.concatenate([vectors[:40], unit_vectors(30, seed=5)])
    for view in pair:
        assert find(view, collection, new) == find(database, collection, new)
    eventually(lambda: code.tobytes() not in path.read_bytes())
    other = known(pair[1])

    def is_current() -> bool:
        copy = other.find(collection, FACES)
        return copy is not None and copy.resident.size == SIZE + 10

    eventually(is_current)
    for view in pair:
        before = answers(view)
        assert find(view, collection, new) == find(database, collection, new)
        assert answers(view) == before + 1


def test_another_process_goes_on_when_the_owner_ends(
    database: Database, pair: tuple[Database, Database], folder: Path
) -> None:
    collection, vectors, _ = make_staff(database)
    for view in pair:
        use(view, collection, vectors)
    old = segments(folder)
    known(pair[0]).close()
    assert not set(old) & set(segments(folder))
    eventually(lambda: known(pair[1]).resident_vectors == SIZE)
    use(pair[1], collection, vectors)
    assert known(pair[1]).events["loads"] == 1
    assert find(pair[1], collection, vectors) == find(database, collection, vectors)
    known(pair[1]).close()
    assert list(folder.iterdir()) == []


def test_the_files_of_a_deleted_collection_are_removed(
    database: Database, pair: tuple[Database, Database], folder: Path
) -> None:
    collection, vectors, _ = make_staff(database)
    for view in pair:
        use(view, collection, vectors)
    collections.delete(database, "staff")
    eventually(lambda: list(folder.iterdir()) == [])


def cut(path: Path) -> None:
    os.truncate(path, 1000)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(SIZE * 16 + 500)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def let_others_write(path: Path) -> None:
    path.chmod(0o666)


def replace_by_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


DAMAGES = [cut, overwrite, let_others_write, replace_by_link, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["segment", "state"])
def test_damaged_files_are_found_reported_once_and_made_again(
    database: Database,
    pair: tuple[Database, Database],
    folder: Path,
    damage: Callable[[Path], None],
    which: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collection, vectors, _ = make_staff(database)
    # The owner writes no new state while the second process attaches the damaged one.
    monkeypatch.setattr(continuous, "_REFRESH", 3600)
    use(pair[0], collection, vectors)
    path = segments(folder)[0] if which == "segment" else next(folder.glob("*.state"))
    if which == "state" and damage is overwrite:
        path.write_bytes(b"something else")
    else:
        damage(path)
    second = known(pair[1])
    expected = find(database, collection, vectors)
    for view in (pair[1], pair[0], pair[1]):
        assert find(view, collection, vectors) == expected
        assert known(view).settle()
    reason = "fallbacks: a file of a copy is damaged"
    missing = which == "state" and damage is Path.unlink  # as after a reader condemned it
    assert bool(second.events[reason]) == (not missing)
    monkeypatch.setattr(continuous, "_REFRESH", 0.1)
    known(pair[0]).note_changes(collection, FACES)
    for view in pair:
        use(view, collection, vectors)
        assert find(view, collection, vectors) == expected
    assert caplog.text.count("a file of a copy is damaged") <= 1
    assert len({path.name.split(".")[1] for path in segments(folder)}) == 1


@pytest.mark.parametrize(
    ("damage", "changing"), [(cut, False), (overwrite, False), (overwrite, True)]
)
def test_files_damaged_in_use_end_no_process(
    database: Database,
    pair: tuple[Database, Database],
    folder: Path,
    damage: Callable[[Path], None],
    changing: bool,
) -> None:
    collection, vectors, _ = make_staff(database)
    for view in pair:
        use(view, collection, vectors)
    expected = find(database, collection, vectors)
    before = segments(folder)
    damage(before[0])
    if damage is cut:
        for view in pair:
            assert find(view, collection, vectors) == expected

    def is_new() -> bool:
        for view in pair:
            find(view, collection, vectors[:1])
            if changing:  # the gallery, so that its copy is always due
                known(view).note_changes(collection, FACES)
        found = segments(folder)
        return bool(found) and not set(found) & set(before)

    eventually(is_new)
    for view in pair:
        use(view, collection, vectors)
        assert find(view, collection, vectors) == expected


@pytest.mark.parametrize("reason", ["a file", "no room"])
def test_without_a_usable_directory_each_process_has_its_own_copy(
    database: Database,
    pair: tuple[Database, Database],
    folder: Path,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if reason == "a file":
        folder.write_bytes(b"")
    else:
        monkeypatch.setattr(sharing, "_SPARE", 1 << 60)
    collection, vectors, _ = make_staff(database)
    for view in pair:
        use(view, collection, vectors)
        assert find(view, collection, vectors) == find(database, collection, vectors)
        assert known(view).resident_vectors == SIZE
    assert not folder.is_dir() or list(folder.iterdir()) == []


def test_files_that_cannot_be_removed_stop_no_search_and_hold_no_lock(
    database: Database, pair: tuple[Database, Database], folder: Path
) -> None:
    collection, vectors, _ = make_staff(database)
    use(pair[0], collection, vectors)
    obstacle = segments(folder)[0].with_suffix(".old")
    obstacle.mkdir()
    known(pair[0]).drop(collection, FACES, damaged=True)
    for view in pair:
        use(view, collection, vectors)
        assert known(view).resident_vectors == SIZE
    obstacle.rmdir()
    for view in pair:
        known(view).drop(collection, FACES)
    for view in pair:
        use(view, collection, vectors)
    assert known(pair[1]).events["attachments"] == 1


def test_evicted_copies_leave_the_directory(
    database: Database, database_url: str, folder: Path, quick: None
) -> None:
    view = Database(database_url)
    view.residents = ContinuousResidents(view, 250_000, smallest=10, directory=folder)
    vectors = unit_vectors(1000)
    for name in ("one", "two"):
        collection = make(database, name)
        fill(database, name, vectors)
        use(view, collection, vectors)
    assert view.residents.events["evictions"] == 1
    assert len(segments(folder)) == 1
    view.close()
