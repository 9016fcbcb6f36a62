"""The data directory is closed to others, and its log has no names."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest

from facedex.api.photo_results import Result
from facedex.store import schema
from facedex.store.database import Database
from facedex_cli.importing.journal import Journal, Request
from facedex_cli.importing.outcomes import Outcome
from facedex_cli.importing.photos import Photo
from facedex_local import directory
from facedex_local.postgres import log_file
from facedex_local.postgres.cluster import Postgres
from tests.disk_bytes import places_of

NAMES = ("friends-of-ann", "user-ann-smith", "ann-at-the-door.jpg")
TRACES = {name: [name.encode()] for name in NAMES}
NOTHING: dict[str, list[str]] = {name: [] for name in NAMES}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def closed_to_others(path: Path) -> bool:
    """Return whether only the owner may read; Postgres's account may traverse root's directory."""
    return mode(path) in ((0o700, 0o710) if os.geteuid() == 0 else (0o700,))


@pytest.mark.parametrize("existing", [None, 0o755, 0o777])
def test_only_the_owner_can_read_the_data_directory(tmp_path: Path, existing: int | None) -> None:
    data = tmp_path / "data"
    if existing:
        data.mkdir()
        data.chmod(existing)
        (data / "postgres.log").write_text("of an earlier release")
    with directory.hold(data) as held:
        postgres = Postgres(held)
        try:
            with psycopg.connect(postgres.start()) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            postgres.stop()
        assert closed_to_others(held)
        assert mode(postgres.cluster) == 0o700
        for name in ("postgres.log", "lock"):
            assert mode(held / name) == 0o600
        assert "of an earlier release" not in postgres.log.read_text()
    with directory.hold(data):
        assert closed_to_others(data)


@pytest.mark.parametrize("name", ["metrics", "metrics.token", "own.key", "keys.secret", "rate"])
def test_files_of_a_server_do_not_keep_its_directory_open(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    tmp_path.chmod(0o755)
    with directory.hold(tmp_path):
        assert closed_to_others(tmp_path)


def test_a_directory_with_other_files_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    tmp_path.chmod(0o755)
    with directory.hold(tmp_path):
        assert mode(tmp_path) == 0o755


def test_a_long_log_is_set_aside_and_a_readable_one_removed(tmp_path: Path) -> None:
    log, earlier = tmp_path / "postgres.log", tmp_path / "postgres.log.old"
    for content in (b"first", b"x" * (5 << 20), b"second"):
        with log_file.opened(log) as file:
            file.write(content)
    assert earlier.stat().st_size == 5 + (5 << 20)
    assert log.read_bytes() == b"second"
    log.chmod(0o644)
    log_file.opened(log).close()
    assert log.read_bytes() == b""
    assert not earlier.exists()


ERRORS = (
    # Each names people in its message, its detail, its statement, its parameters or its context.
    "INSERT INTO collections (collection_id, model_version) VALUES ('friends-of-ann', '1.0')",
    "INSERT INTO users (collection_key, user_id) VALUES (1, 'user-ann-smith')",
    "INSERT INTO users (collection_key, user_id) VALUES (99, 'user-ann-smith')",
    "UPDATE faces SET external_image_id = 'ann-at-the-door.jpg', user_id = 'user-ann-smith'"
    " WHERE external_image_id = 'ann-at-the-door.jpg' AND 1 / (face_number * 0) = 1",
    "SELECT 'user-ann-smith'::uuid",
    "SELECT 'ann-at-the-door.jpg'::halfvec",
    "SELECT 'friends-of-ann'::jsonb",
    "SELECT 'user-ann-smith'::bigint, 'friends-of-ann'",
    "SELECT friends_of_ann FROM users WHERE user_id = 'user-ann-smith'",
    'SELECT * FROM "ann-at-the-door.jpg"',
    "DO $$ BEGIN RAISE WARNING 'user-ann-smith'; RAISE EXCEPTION 'friends-of-ann'; END $$",
    "SET statement_timeout = 100; SELECT pg_sleep(5), 'user-ann-smith'",
)


def test_errors_leave_no_name_in_the_log(tmp_path: Path) -> None:
    postgres = Postgres(tmp_path)
    database = Database(postgres.start())
    try:
        schema.migrate(database)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(ERRORS[0])
            connection.execute(ERRORS[1])
            connection.execute(
                "INSERT INTO faces SELECT 1, gen_random_uuid(), gen_random_uuid(), '',"
                " 'ann-at-the-door.jpg', 0, 0, 0, 0, 0, 0, '[1]', now(), 'user-ann-smith'"
            )
            for statement in ERRORS:
                with pytest.raises(psycopg.Error):
                    connection.execute(statement)
                # The same with parameters, which are logged in another way.
                with suppress(psycopg.Error):
                    connection.execute("SELECT %s::uuid, %s::text", ("user-ann-smith", NAMES[0]))
        # A session that is ended is described in the log, too.
        ended = psycopg.connect(postgres.url)
        ended.execute("UPDATE users SET vector = '[1]' WHERE user_id = 'user-ann-smith'")
        with psycopg.connect(postgres.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (ended.info.backend_pid,))
        ended.close()
    finally:
        database.close()
        postgres.stop()
    assert "database system is ready" in postgres.log.read_text()
    found = places_of(tmp_path, TRACES)
    assert all(found.values())  # in the cluster, where the names are stored
    assert not any("postgres.log" in place for places in found.values() for place in places)


def photo(name: str) -> Photo:
    return Photo(f"/photos/{name}", name, "1", 1)


def test_the_journal_of_imports_has_no_names(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "imports.sqlite", arn="arn:friends-of-ann", created="now")
    request = Request("user-ann-smith", 1, "AUTO")
    outcome = Outcome(photo(NAMES[2]).place, Result.INDEXED, "user-ann-smith", 1, {})
    journal.add(photo(NAMES[2]), request, outcome)
    assert places_of(tmp_path, TRACES) == NOTHING
    found = journal.find(photo(NAMES[2]), request)
    assert found
    assert (found.result, found.faces, found.external_image_id) == (
        Result.INDEXED,
        1,
        "user-ann-smith",
    )
    assert journal.find(photo("bob.jpg"), request) is None
    journal.close()
    assert places_of(tmp_path, TRACES) == NOTHING
    # A collection that was deleted and created again has no finished photos.
    again = Journal(tmp_path / "imports.sqlite", arn="arn:friends-of-ann", created="later")
    assert again.find(photo(NAMES[2]), request) is None
    again.close()


_EARLIER = """
CREATE TABLE collection (
    id INTEGER PRIMARY KEY, arn TEXT NOT NULL, created TEXT NOT NULL, UNIQUE (arn, created)
);
CREATE TABLE photo (
    collection INTEGER NOT NULL REFERENCES collection, place BLOB NOT NULL, request TEXT NOT NULL,
    version TEXT NOT NULL, result TEXT NOT NULL, faces INTEGER NOT NULL, reasons TEXT NOT NULL,
    smaller INTEGER NOT NULL, PRIMARY KEY (collection, place, request)
) WITHOUT ROWID;
"""


def test_the_journal_of_an_earlier_release_is_kept_without_its_names(tmp_path: Path) -> None:
    path = tmp_path / "imports.sqlite"
    request = Request("user-ann-smith", 1, "AUTO")
    with closing(sqlite3.connect(path)) as earlier:
        earlier.executescript(_EARLIER)
        earlier.execute("INSERT INTO collection VALUES (1, 'arn:friends-of-ann', 'now')")
        earlier.execute(
            "INSERT INTO photo VALUES (1, ?, ?, '1', ?, 1, '{}', 0)",
            (photo(NAMES[2]).place.encode(), json.dumps(asdict(request)), Result.INDEXED),
        )
        earlier.commit()
    assert all(places_of(tmp_path, TRACES).values())
    journal = Journal(path, arn="arn:friends-of-ann", created="now")
    assert journal.find(photo(NAMES[2]), request)
    assert places_of(tmp_path, TRACES) == NOTHING
    journal.close()
    assert places_of(tmp_path, TRACES) == NOTHING


def test_copies_of_galleries_that_a_killed_server_left_are_removed(tmp_path: Path) -> None:
    galleries = tmp_path / "galleries"

    def leave() -> None:
        galleries.mkdir(exist_ok=True)
        for ending in ("state", "lock", "new", "0123456789abcdef.17"):
            (galleries / f"1-faces-0123456789ab.{ending}").write_bytes(b"codes")

    leave()
    with directory.hold(tmp_path):
        assert not galleries.exists()
        leave()
    assert not galleries.exists()
    leave()
    (galleries / "holiday.jpg").write_bytes(b"of the user")
    with directory.hold(tmp_path):
        assert [path.name for path in galleries.iterdir()] == ["holiday.jpg"]
