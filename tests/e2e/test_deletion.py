"""Deleted means deleted: no byte of a deleted face or name is left in the data directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg

from facedex_local.postgres.cluster import Postgres
from tests.conftest import Server
from tests.crashing import crash_while_writing, tables_with
from tests.disk_bytes import places_of, windows

# Found nowhere else in the directory, and longer than any chance match.
COLLECTION, USER, FILE = "friends-of-eileen", "eileen-collins", "eileen-at-the-door.jpg"
GONE: dict[str, list[str]] = {"vector": [], "collection": [], "user": [], "file": []}
SCRUB_BOUND = 120.0  # seconds; the documented time is ten minutes


class Eileen:
    """A person in a collection, and the traces of her on the disk."""

    def __init__(self, server: Server, portrait: bytes) -> None:
        self.directory = server.directory
        client = server.client("rekognition")
        client.create_collection(CollectionId=COLLECTION)
        indexed = client.index_faces(
            CollectionId=COLLECTION, Image={"Bytes": portrait}, ExternalImageId=FILE
        )
        face = indexed["FaceRecords"][0]["Face"]["FaceId"]
        client.create_user(CollectionId=COLLECTION, UserId=USER)
        client.associate_faces(
            CollectionId=COLLECTION, UserId=USER, FaceIds=[face], UserMatchThreshold=0
        )
        with psycopg.connect(Postgres(server.directory).url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT vector::real[] FROM faces WHERE face_id = %s", (face,)
            ).fetchone()
            assert row
            self.traces = {
                "vector": windows(np.array(row[0])),
                "collection": [COLLECTION.encode()],
                "user": [USER.encode()],
                "file": [FILE.encode()],
            }
            connection.execute("CHECKPOINT")
            end = time.monotonic() + SCRUB_BOUND
            # An erasure may be rewriting a table, whose new file is not on the disk yet.
            while not all(self.found().values()):
                assert time.monotonic() < end
                connection.execute("CHECKPOINT")
        client.delete_user(CollectionId=COLLECTION, UserId=USER)
        client.delete_faces(CollectionId=COLLECTION, FaceIds=[face])
        client.delete_collection(CollectionId=COLLECTION)

    def found(self) -> dict[str, list[str]]:
        """Return the files in which traces of her are."""
        return places_of(self.directory, self.traces)


def scrub(directory: Path) -> str:
    command = [str(Path(sys.executable).with_name("facedex")), "scrub", f"--data-dir={directory}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scrub_erases_at_once_while_the_server_runs(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch()
    rekognition = server.client("rekognition")
    rekognition.create_collection(CollectionId="kept")
    rekognition.index_faces(CollectionId="kept", Image={"Bytes": portraits["grace"]})
    eileen = Eileen(server, portraits["eileen"])
    output = scrub(server.directory)
    assert eileen.found() == GONE
    assert output.endswith(
        "No byte of a deleted face, user or collection is left in the database's files.\n"
    )
    matches = rekognition.search_faces_by_image(
        CollectionId="kept", Image={"Bytes": portraits["grace"]}
    )["FaceMatches"]
    assert len(matches) == 1
    assert server.stop() == 0
    assert eileen.found() == GONE


def test_server_erases_by_itself_after_each_deletion(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch()
    for _ in range(2):
        eileen = Eileen(server, portraits["eileen"])
        end = time.monotonic() + SCRUB_BOUND
        while eileen.found() != GONE:
            assert time.monotonic() < end
            time.sleep(1.0)


def test_server_removes_the_copy_of_a_table_that_a_crash_left(
    launch: Callable[..., Server],
) -> None:
    postgres = Postgres(launch().directory)
    crash_while_writing(postgres, COLLECTION)
    left = tables_with(postgres, COLLECTION)
    assert left
    for each in left:
        os.utime(each, (0, 0))  # as if some time had passed
    end = time.monotonic() + SCRUB_BOUND
    while tables_with(postgres, COLLECTION):
        assert time.monotonic() < end
        time.sleep(1.0)


def test_server_that_stops_erases_what_was_deleted_just_before(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch()
    eileen = Eileen(server, portraits["eileen"])
    assert server.stop() == 0
    assert eileen.found() == GONE


def test_scrub_erases_after_a_kill_without_a_server(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch()
    eileen = Eileen(server, portraits["eileen"])
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    scrub(server.directory)
    assert eileen.found() == GONE
    server = launch()
    assert server.client("rekognition").list_collections()["CollectionIds"] == []
    assert server.stop() == 0
    assert eileen.found() == GONE
