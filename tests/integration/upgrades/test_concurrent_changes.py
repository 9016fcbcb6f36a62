"""Collections can be searched and changed during an upgrade, which can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import psycopg
import requests

from facedex.runtime import services
from facedex.store import collections, upgrades
from facedex.store.upgrade_switch import switch
from facedex.workflows.tagging import PACK
from tests.e2e.streaming import until
from tests.integration.streaming import Stage
from tests.integration.upgrades.staff import MODEL, Staff


def test_a_killed_upgrade_resumes(staff: Staff, tmp_path: Path) -> None:
    faces = staff.fill()
    command = [
        str(Path(sys.executable).with_name("facedex")),
        "collections",
        "upgrade",
        "staff",
        f"--from={staff.photos}",
        "--pack=short",
        "--concurrency=1",
        f"--database-url={staff._database_url}",
        f"--data-dir={tmp_path / 'd'}",
    ]
    environment = {**os.environ, "FACEDEX_MODELS": str(staff._models)}
    # Without an original, the upgrade cannot be complete before it is killed.
    last, away = staff.photos / "s8/2.png", tmp_path / "away.png"
    last.rename(away)
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    kept = wait_for_some(process)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    away.rename(last)
    assert 0 < kept < len(faces)
    assert staff.model == "1.2"
    with services.database().reading() as connection:
        rows = connection.execute("SELECT face_id::text AS face_id FROM upgraded_faces")
        done = {row.face_id for row in rows}
    # The second run can therefore only continue from the results of the first one.
    for name, face in faces.items():
        if face["FaceId"] in done and name != "s3/1.png":
            (staff.photos / name).rename(tmp_path / name.replace("/", "-"))
    result = staff.upgrade()
    assert result.exit_code == 0, result.output
    assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]
    assert len(staff.listed()) == len(faces)


def test_faces_are_grouped_with_the_new_pack_directly_after_the_switch(
    staff: Staff, stage: Stage
) -> None:
    ids = [UUID(face["FaceId"]) for face in staff.fill().values()]

    def group() -> tuple[str, int]:
        address = f"{stage.url}/v1/collections/staff/faces?groups=people"
        found = requests.get(address, timeout=60).json()
        return found["FaceModelVersion"], found["FaceCount"]

    assert group() == ("1.2", len(ids))
    # Within the two seconds for which the server remembers a collection.
    with services.database().transaction() as connection:
        collection = collections.find(connection, "staff")
        upgrades.begin(connection, collection, MODEL)
        switch(connection, collection, MODEL, pack=(PACK, "short"), without=ids)
    assert group() == (MODEL, 0)


def wait_for_some(process: subprocess.Popen[bytes]) -> int:
    """Wait for new vectors, and return their number."""
    end = time.monotonic() + 120
    while True:
        ended = process.poll() is not None
        with services.database().reading() as connection:
            row = connection.execute("SELECT count(*) AS kept FROM upgraded_faces").fetchone()
        assert row is not None
        if row.kept:
            return int(row.kept)
        assert not ended, "the upgrade has kept nothing"
        assert time.monotonic() < end
        time.sleep(0.01)


def test_photos_that_are_indexed_during_an_upgrade_get_vectors_of_both_packs(
    staff: Staff, portraits: dict[str, bytes]
) -> None:
    staff.fill()
    with services.database().transaction() as connection:
        upgrades.begin(connection, collections.find(connection, "staff"), MODEL)
    answer = staff.client.index_faces(
        CollectionId="staff", Image={"Bytes": portraits["grace"]}, ExternalImageId="live"
    )
    (record,) = answer["FaceRecords"]
    assert answer["FaceModelVersion"] == "1.2"
    result = staff.upgrade()
    assert result.exit_code == 0, result.output
    live = staff.client.search_faces_by_image(
        CollectionId="staff", Image={"Bytes": portraits["grace"]}, FaceMatchThreshold=99
    )
    assert record["Face"]["FaceId"] in [each["Face"]["FaceId"] for each in live["FaceMatches"]]


def test_requests_during_the_switch_each_use_one_model(
    staff: Staff, portraits: dict[str, bytes]
) -> None:
    faces = staff.fill()
    over = Event()
    answered: list[str] = []

    def search() -> None:
        while not over.is_set():
            assert staff.find("s3/1.png") == faces["s3/1.png"]["FaceId"]

    def index(client: str) -> None:
        number = 0
        while not over.is_set():
            number += 1
            answer = staff.client.index_faces(
                CollectionId="staff",
                Image={"Bytes": portraits["eileen"]},
                ExternalImageId=f"{client}-{number}",
            )
            answered.append(answer["FaceRecords"][0]["Face"]["FaceId"])

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(search), *(pool.submit(index, each) for each in ("a", "b", "c"))]
        try:
            time.sleep(1)
            for pack in ("short", "dlib", "short"):
                result = staff.upgrade(pack=pack)
                assert result.exit_code == 0, result.output
                time.sleep(1)
        finally:
            over.set()
        for other in others:
            other.result(60)
    assert staff.dimensions("faces") == {97}
    assert {face["FaceId"] for face in all_faces(staff)} >= set(answered)


def all_faces(staff: Staff) -> list[dict[str, Any]]:
    pages = staff.client.get_paginator("list_faces").paginate(CollectionId="staff")
    return [face for page in pages for face in page["Faces"]]


def test_a_face_counts_once_if_two_copies_of_its_photo_are_processed_at_once(
    staff: Staff, database_url: str, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    photo = {"Bytes": portraits["eileen"]}
    staff.client.index_faces(CollectionId="staff", Image=photo)
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("one.jpg", "two.jpg"):
        (copies / name).write_bytes(portraits["eileen"])
    with services.database().transaction() as connection:
        upgrades.begin(connection, collections.find(connection, "staff"), MODEL)
    with psycopg.connect(database_url) as lock, ThreadPoolExecutor(1) as pool:
        lock.execute("SELECT FROM upgrades FOR UPDATE")

        def release() -> None:
            """Wait until both copies wait for the lock before they store the vector."""
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            until(lambda: lock.execute(waiting).fetchone() == (2,), 20)
            lock.rollback()

        released = pool.submit(release)
        result = staff.upgrade("--concurrency=2", source=str(copies))
        released.result()
    assert result.exit_code == 0, result.output
    assert "1 face" in result.output
    assert "2 faces" not in result.output


def test_faces_and_collection_can_be_deleted_during_an_upgrade(staff: Staff) -> None:
    faces = staff.fill()
    for name in ("s1/1.png", "s2/1.png"):
        (staff.photos / name).unlink()
    assert staff.upgrade().exit_code == 1
    for name in ("eileen.jpg", "s1/1.png"):
        face_id = faces[name]["FaceId"]
        if "/" in name:
            staff.client.disassociate_faces(CollectionId="staff", UserId="s1", FaceIds=[face_id])
        deleted = staff.client.delete_faces(CollectionId="staff", FaceIds=[face_id])
        assert deleted["DeletedFaces"] == [face_id]
    staff.client.delete_collection(CollectionId="staff")
    with services.database().reading() as connection:
        for table in ("faces", "upgrades", "upgraded_faces", "collections"):
            assert connection.execute(f"SELECT FROM {table}").fetchall() == []
