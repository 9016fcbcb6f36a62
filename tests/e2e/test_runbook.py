"""The steps of docs/runbook.md for one machine, as they are written there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from facedex.secret_sources import read_keys_secret
from facedex.store import access_keys
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex.store.store_errors import WrongKeysSecret
from facedex_local.postgres.cluster import Postgres
from tests.conftest import Server

PAGE = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")


def block(name: str) -> str:
    """Return the commands after a marker of the page."""
    (text,) = re.findall(rf"^<!-- run: {name} -->\n```bash\n(.*?)^```", PAGE, re.M | re.S)
    return str(text)


@dataclass(frozen=True)
class Machine:
    """A user's home directory, and a server on the default data directory in it."""

    home: Path
    server: Server


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, portraits: dict[str, bytes], pack_directory: Path
) -> Iterator[Machine]:
    """Return a running server with two people in a collection, one of them a user."""
    home = tmp_path_factory.mktemp("home")
    (home / ".local" / "share").mkdir(parents=True)
    server = Server(home / ".local" / "share" / "facedex", "--port=0")
    rekognition = server.client("rekognition")
    for collection in ("empty", "staff"):
        rekognition.create_collection(CollectionId=collection)
    rekognition.create_user(CollectionId="staff", UserId="eileen")
    for name, photo in portraits.items():
        indexed = rekognition.index_faces(
            CollectionId="staff", Image={"Bytes": photo}, ExternalImageId=name
        )
        if name == "eileen":
            face_id = indexed["FaceRecords"][0]["Face"]["FaceId"]
            rekognition.associate_faces(CollectionId="staff", UserId=name, FaceIds=[face_id])
    yield Machine(home, server)
    assert server.stop() == 0


def run(commands: str, home: Path) -> str:
    """Run commands in a shell, as a user with this home directory."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FACEDEX_D", "XDG_", "AWS_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=home,
        env={**inherited, "HOME": str(home), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_backup_is_made_while_the_server_runs_and_its_copy_answers_the_same(
    machine: Machine, portraits: dict[str, bytes]
) -> None:
    search = {"CollectionId": "staff", "Image": {"Bytes": portraits["grace"]}}
    before = machine.server.client("rekognition").search_faces_by_image(**search)
    assert "collections 2, faces 2, users 1" in run(block("backup"), machine.home)
    restored = run(block("restore"), machine.home)
    (tables,) = re.findall(r"^checked: (\d+) tables have", PAGE, re.M)
    assert f"checked: {tables} tables have the rows of the backup, and 2 searches" in restored
    copy = Server(machine.home / "restored", "--port=0")
    after = copy.client("rekognition").search_faces_by_image(**search)
    assert after["FaceMatches"] == before["FaceMatches"]
    assert copy.stop() == 0


def test_an_access_key_is_replaced(machine: Machine) -> None:
    old, listed = block("keys").splitlines()
    first = re.findall(r"FDX\w+", run(old, machine.home))[0]
    second = re.findall(r"FDX\w+", run(block("keys"), machine.home))[0]
    run(block("retire").replace("FDX…", first), machine.home)
    remaining = run(listed, machine.home)
    assert second in remaining
    assert first not in remaining


def test_the_secret_of_the_access_keys_is_replaced(machine: Machine) -> None:
    created = run("facedex keys create", machine.home)
    key, secret = (line.partition("=")[2] for line in created.splitlines())
    file = machine.server.directory / "keys.secret"
    old = file.read_text().strip()

    def stored(text: str) -> str:
        database = Database(Postgres(machine.server.directory).url)
        try:
            with database.reading() as connection:
                return access_keys.read(connection, Cipher(text), key).secret
        finally:
            database.close()

    run(block("new secret"), machine.home)
    both = read_keys_secret(f"file:{file}")
    assert both.endswith(f"\nprevious:{old}")
    assert stored(both) == secret
    run(block("forget secret"), machine.home)
    new = file.read_text().strip()
    assert "\n" not in new
    assert stored(new) == secret
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(WrongKeysSecret):
        stored(old)


def test_the_statements_for_a_restored_cluster_are_understood(machine: Machine) -> None:
    (query,) = re.findall(r'--sql "(SELECT .*?)"', PAGE)
    (stop,) = re.findall(r"UPDATE stream_processors SET .*", PAGE)
    with psycopg.connect(Postgres(machine.server.directory).url) as connection:
        rows = connection.execute(query.encode()).fetchall()
        assert connection.execute(stop.encode()).rowcount == 0  # the table exists
    assert rows == [("us-east-1", "empty", 0, 0), ("us-east-1", "staff", 2, 1)]
