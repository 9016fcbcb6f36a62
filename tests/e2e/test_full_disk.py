"""A full disk: the server says so, reads go on, nothing acknowledged is lost, and room repairs it.

The disk is a small file system in memory, which only root can mount.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex_local.postgres.cluster import Postgres
from tests.conftest import Server, start

SIZE = 256  # MiB
FULL_START = "Error: The disk is full: "
_ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=60)


class SmallDisk:
    """A small file system, and a file that fills it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self._filler = directory / "filler"

    def fill(self, *, leaving: int = 0) -> None:
        """Fill the disk until so many MiB are free, as another program would."""
        with self._filler.open("ab") as file:
            try:
                while (free := self._free() - (leaving << 20)) > 0:
                    file.write(bytes(min(free, 1 << 20)))
                    file.flush()
            except OSError:
                return

    def clear(self) -> None:
        self._filler.unlink()

    def _free(self) -> int:
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    directory = tmp_path / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root, on Linux")
    yield SmallDisk(directory)
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture
def launch(
    disk: SmallDisk, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Server]]:
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    launched: list[Server] = []

    def launch() -> Server:
        launched.append(Server(disk.data))
        return launched[-1]

    yield launch
    for server in launched:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
    Postgres(disk.data).stop()


def health(server: Server) -> tuple[int, dict[str, Any]]:
    answer = urllib3.request("GET", f"{server.url}/health", timeout=30)
    return answer.status, answer.json()


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def faces_of(rekognition: Any) -> set[str]:
    listed = rekognition.list_faces(CollectionId="friends")["Faces"]
    return {face["FaceId"] for face in listed}


def begin(launch: Callable[[], Server]) -> tuple[Server, Any]:
    """Start a server, and create a collection with a client that repeats nothing."""
    server = launch()
    rekognition = server.client("rekognition", config=_ONCE)
    rekognition.create_collection(CollectionId="friends")
    return server, rekognition


def index(rekognition: Any, portrait: bytes) -> set[str]:
    records = rekognition.index_faces(CollectionId="friends", Image={"Bytes": portrait})
    return {record["Face"]["FaceId"] for record in records["FaceRecords"]}


def test_full_disk_is_reported_and_only_writes_are_refused(
    launch: Callable[[], Server], disk: SmallDisk, portraits: dict[str, bytes]
) -> None:
    server, rekognition = begin(launch)
    kept = index(rekognition, portraits["eileen"])
    assert health(server)[0] == 200
    assert health(server)[1]["disk"] == "ok"
    disk.fill(leaving=50)

    status, report = health(server)
    assert (status, report["status"], report["database"]) == (503, "full", "ok")
    assert report["disk"].startswith("the disk is full: ")
    assert report["disk"].endswith("writes need 64 MiB")
    assert str(server.directory) not in report["disk"]
    refused = rekognition.exceptions.InternalServerError
    for write in (
        lambda: index(rekognition, portraits["grace"]),
        lambda: rekognition.create_collection(CollectionId="more"),
        lambda: rekognition.create_user(CollectionId="friends", UserId="ann"),
    ):
        with pytest.raises(refused, match="disk of the database is full"):
            write()
    assert faces_of(rekognition) == kept
    found = rekognition.search_faces_by_image(
        CollectionId="friends", Image={"Bytes": portraits["eileen"]}
    )
    assert {match["Face"]["FaceId"] for match in found["FaceMatches"]} == kept

    disk.clear()
    assert health(server)[0] == 200
    kept |= index(rekognition, portraits["grace"])
    assert faces_of(rekognition) == kept


def test_faces_can_be_deleted_from_a_full_disk(
    launch: Callable[[], Server], disk: SmallDisk, portraits: dict[str, bytes]
) -> None:
    _, rekognition = begin(launch)
    indexed = index(rekognition, portraits["eileen"])
    disk.fill(leaving=50)
    answer = rekognition.delete_faces(CollectionId="friends", FaceIds=sorted(indexed))
    assert set(answer["DeletedFaces"]) == indexed
    rekognition.delete_collection(CollectionId="friends")
    assert rekognition.list_collections()["CollectionIds"] == []


def test_no_acknowledged_write_is_lost_when_the_disk_fills_up_completely(
    launch: Callable[[], Server], disk: SmallDisk
) -> None:
    server, rekognition = begin(launch)
    acknowledged: set[str] = set()
    refused = 0
    for number in range(60):
        if number == 20:
            disk.fill()
        if number == 40:
            overflow(server)
        try:
            rekognition.create_user(CollectionId="friends", UserId=f"user-{number}")
            acknowledged.add(f"user-{number}")
        except (ClientError, BotoCoreError):
            refused += 1
    assert len(acknowledged) >= 20
    assert refused
    disk.clear()
    eventually(lambda: health(server)[0] == 200)
    pages = rekognition.get_paginator("list_users").paginate(CollectionId="friends")
    assert {user["UserId"] for page in pages for user in page["Users"]} >= acknowledged
    rekognition.create_user(CollectionId="friends", UserId="later")


def overflow(server: Server) -> None:
    """Let Postgres itself run out of room for its log, past the reserve: it panics."""
    emit = "SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000000), true)"
    with psycopg.connect(Postgres(server.directory).url, autocommit=True) as connection:
        while not connection.closed:
            with suppress(psycopg.OperationalError):
                connection.execute(emit)


def test_restart_on_a_full_disk_says_so_and_works_when_there_is_room(
    launch: Callable[[], Server], disk: SmallDisk, portraits: dict[str, bytes]
) -> None:
    server, rekognition = begin(launch)
    kept = index(rekognition, portraits["eileen"])
    postgres = Postgres(disk.data).pid
    assert postgres
    for pid in (server.process.pid, postgres):
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    disk.fill()
    refuse_to_start(disk)
    disk.clear()
    assert faces_of(launch().client("rekognition")) == kept


def test_first_start_on_a_full_disk_says_so(
    disk: SmallDisk, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    for leaving in (0, 20, 60):
        disk.fill(leaving=leaving)
        refuse_to_start(disk)
        disk.clear()


def refuse_to_start(disk: SmallDisk) -> None:
    """Check that a start fails with one sentence about the disk."""
    log = disk.directory.with_name("start.log")
    log.unlink(missing_ok=True)
    with start(disk.data, log=log) as process:
        assert process.wait(60) == 1
    (line,) = log.read_text().splitlines()
    assert line.startswith(FULL_START)
