"""Backups are complete, and a restored database is the one that was backed up."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from facedex.api.arns import Owner
from facedex.runtime import services
from facedex.runtime.services import Services
from facedex.store import collections
from facedex.store.database import Database
from facedex_cli.commands.backup import backup, restore
from facedex_functions.associate_faces.handler import associate_faces
from facedex_functions.create_collection.handler import create_collection
from facedex_functions.create_user.handler import create_user
from facedex_functions.delete_collection.handler import delete_collection
from facedex_functions.index_faces.handler import index_faces
from facedex_functions.search_users_by_image.handler import search_users_by_image
from facedex_local.postgres.cluster import Postgres
from tests.e2e.streaming import until
from tests.integration import stream_store
from tests.integration.databases import new_database
from tests.integration.streaming import Configure


@pytest.fixture
def here(
    database: Database, database_url: str, pack_directory: Path, configure: Configure
) -> Iterator[Services]:
    """Return the service on a database."""
    services._database.cache_clear()
    configure(DATABASE_URL=database_url, AUTH="none", MODELS=pack_directory.parent)
    yield Services(Owner("123456789012", "us-east-1"))
    services.database().close()
    services._database.cache_clear()


@pytest.fixture
def empty_url(postgres: Postgres) -> Iterator[str]:
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def faces(here: Services, portraits: dict[str, bytes]) -> dict[str, str]:
    """Return the FaceIds of two people in a collection, each a user, by name."""
    create_collection({"CollectionId": "staff", "Tags": {"floor": "3"}}, here)
    ids = {}
    for name, photo in portraits.items():
        request = {"CollectionId": "staff", "Image": {"Bytes": photo}, "ExternalImageId": name}
        ids[name] = str(index_faces(request, here)["FaceRecords"][0]["Face"]["FaceId"])
        user = {"CollectionId": "staff", "UserId": f"user-{name}"}
        create_user(user, here)
        associate_faces({**user, "FaceIds": [ids[name]]}, here)
    return ids


def run(command: object, *arguments: object) -> Result:
    assert command in (backup, restore)
    return CliRunner().invoke(command, [str(each) for each in arguments])


def test_a_restored_database_answers_as_the_one_that_was_backed_up(
    here: Services,
    faces: dict[str, str],
    portraits: dict[str, bytes],
    database_url: str,
    empty_url: str,
    tmp_path: Path,
    configure: Configure,
) -> None:
    search = {"CollectionId": "staff", "Image": {"Bytes": portraits["eileen"]}}
    before = search_users_by_image(search, here)
    folder = tmp_path / "backups" / "monday"
    made = run(backup, folder, "--database-url", database_url)
    assert made.exit_code == 0, made.output
    assert "collections 1, faces 2, users 2" in made.stdout
    delete_collection({"CollectionId": "staff"}, here)
    restored = run(restore, folder, "--database-url", empty_url)
    assert restored.exit_code == 0, restored.output
    assert "rows of the backup, and 2 searches found the same faces" in restored.stdout
    services.database().close()
    services._database.cache_clear()
    configure(DATABASE_URL=empty_url)
    assert search_users_by_image(search, here) == before


@pytest.mark.parametrize("resumed", [False, True])
def test_restored_stream_processors_are_stopped_unless_the_user_resumes_them(
    resumed: bool, database: Database, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    with database.transaction() as connection:
        collections.create(connection, "staff", stream_store.MODEL)
    for name in ("lobby", "door", "resting"):
        stream_store.create(database, name)
    stream_store.start(database, "lobby")
    stream_store.start(database, "door")
    stream_store.taken(database, stream_store.find(database, "door").key)
    assert run(backup, folder, "--database-url", database_url).exit_code == 0
    option = ["--resume-streams"] if resumed else []
    done = run(restore, folder, "--database-url", empty_url, *option)
    assert done.exit_code == 0, done.output
    assert ("by two servers: door, lobby (" in done.stdout) is not resumed
    copy = Database(empty_url)
    found = {name: stream_store.find(copy, name) for name in ("lobby", "door", "resting")}
    due = stream_store.due(copy)
    copy.close()
    reason = "Stopped by the restore of a backup; start it again with StartStreamProcessor."
    stopped = {"lobby": ("STOPPED", reason), "door": ("STOPPED", reason)}
    running = {"lobby": ("STARTING", None), "door": ("RUNNING", None)}
    assert {name: (each.status, each.status_message) for name, each in found.items()} == {
        **(running if resumed else stopped),
        "resting": ("STOPPED", None),
    }
    assert bool(due) is resumed
    assert stream_store.status(database, "door") == "RUNNING"  # the old server continues


def test_a_backup_is_readable_by_its_owner_only(
    faces: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    assert run(backup, folder, "--database-url", database_url).exit_code == 0
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {folder: 0o700, folder / "database.dump": 0o600, folder / "figures.json": 0o600}


@pytest.mark.parametrize("part", ["tables", "searches"])
def test_a_difference_is_reported(
    part: str, faces: dict[str, str], database_url: str, empty_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    assert run(backup, folder, "--database-url", database_url).exit_code == 0
    figures = json.loads((folder / "figures.json").read_text())
    if part == "tables":
        figures["tables"]["faces"][1] = "17"
    else:
        (_, _, matches) = figures["searches"][0]
        matches[0][1] -= 0.1
    (folder / "figures.json").write_text(json.dumps(figures))
    done = run(restore, folder, "--database-url", empty_url)
    assert done.exit_code == 1
    assert "The restored database differs: " in done.stderr
    reason = "faces has 2 rows of 2, or others" if part == "tables" else "finds others"
    assert reason in done.stderr


def test_a_damaged_dump_changes_nothing(
    faces: dict[str, str], database_url: str, empty_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    assert run(backup, folder, "--database-url", database_url).exit_code == 0
    dump = folder / "database.dump"
    whole = dump.read_bytes()
    dump.write_bytes(whole[: len(whole) - 2000])
    done = run(restore, folder, "--database-url", empty_url)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: pg_restore failed: ")
    dump.write_bytes(whole)
    assert run(restore, folder, "--database-url", empty_url).exit_code == 0


def test_an_existing_database_is_not_overwritten(
    faces: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    assert run(backup, folder, "--database-url", database_url).exit_code == 0
    done = run(restore, folder, "--database-url", database_url)
    assert done.exit_code == 1
    assert "There is a database already, and it is not overwritten" in done.stderr


def test_a_backup_that_a_signal_ends_leaves_no_part_of_a_copy(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    facedex = str(Path(sys.executable).with_name("facedex"))
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE faces IN ACCESS EXCLUSIVE MODE")  # for which pg_dump waits
        with subprocess.Popen([facedex, "backup", folder, "--database-url", database_url]) as made:
            until((folder / "database.dump").exists)
            made.terminate()
            assert made.wait(60) == 128 + signal.SIGTERM
    assert not folder.exists()


def test_a_restore_that_a_signal_ends_during_its_checks_says_that_they_are_missing(
    faces: dict[str, str], database_url: str, empty_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "monday"
    assert run(backup, folder, "--database-url", database_url).exit_code == 0
    command = [str(Path(sys.executable).with_name("facedex")), "restore", str(folder)]
    with (
        psycopg.connect(empty_url, autocommit=True) as connection,
        psycopg.connect(empty_url, autocommit=True) as observer,
    ):

        def waits() -> bool:
            waiting = observer.execute(
                "SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE NOT granted AND datname = current_database()"
            )
            return bool(waiting.fetchall())

        def is_restored() -> bool:
            return observer.execute("SELECT to_regclass('faces')").fetchone() != (None,)

        connection.execute("BEGIN")
        connection.execute("LOCK TABLE pg_class IN SHARE MODE")  # pg_restore waits for it
        with subprocess.Popen(
            [*command, "--database-url", empty_url], stderr=subprocess.PIPE, text=True
        ) as restoring:
            until(waits)
            restoring.send_signal(signal.SIGSTOP)  # pg_restore, a process of its own, continues
            connection.execute("ROLLBACK")
            until(is_restored)
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE faces")  # the checks wait for it
            restoring.send_signal(signal.SIGCONT)
            until(waits)
            restoring.terminate()
            _, shown = restoring.communicate(timeout=60)
    assert restoring.returncode == 128 + signal.SIGTERM
    assert "The backup was restored, but not checked to the end, and its stream" in shown
    assert shown.endswith(
        "this database: restore the backup into another, empty one.\n\ninterrupted\n"
    )


def test_a_folder_is_a_complete_backup_or_none(database_url: str, tmp_path: Path) -> None:
    nowhere = psycopg.conninfo.make_conninfo(database_url, dbname="nowhere")
    failed = run(backup, tmp_path / "monday", "--database-url", nowhere)
    assert failed.exit_code == 1
    assert not (tmp_path / "monday").exists()
    missing = run(restore, tmp_path / "monday", "--data-dir", tmp_path / "restored")
    assert missing.stderr == f"Error: {tmp_path / 'monday'} has no complete backup.\n"
    assert not (tmp_path / "restored").exists()
    there = run(backup, tmp_path, "--database-url", database_url)
    assert there.stderr == f"Error: {tmp_path} exists already; name a new folder.\n"
