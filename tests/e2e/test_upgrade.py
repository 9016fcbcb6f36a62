"""A collection is upgraded while `facedex up` runs; requests, video jobs and streams continue."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.e2e.films import Studio, moving, names
from tests.e2e.streaming import Scene
from tests.e2e.streaming import names as named
from tests.e2e.test_streaming import LIVE
from tests.model_copies import shorten

_OLD, _NEW = "1.2", "901.1"


@pytest.fixture
def server(tmp_path: Path, dlib_directory: Path) -> Iterator[Server]:
    """Return a server with the default pack and another one."""
    models = tmp_path / "models"
    shorten(dlib_directory, models, "short", 901)
    (models / "dlib").symlink_to(dlib_directory)
    running = Server(tmp_path / "data", "--port=0", "--pack=dlib", FACEDEX_MODELS=str(models))
    yield running
    assert running.stop() == 0


@pytest.fixture
def photos(portraits: dict[str, bytes], tmp_path: Path) -> Path:
    """Return a folder of the portraits."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in portraits.items():
        (folder / f"{name}.jpg").write_bytes(content)
    return folder


def upgrade(server: Server, collection: str, photos: Path) -> None:
    """Upgrade a collection with the command, on the running server's data directory."""
    models = server.directory.parent / "models"
    command = [str(Path(sys.executable).with_name("facedex")), "collections", "upgrade", collection]
    options = [f"--from={photos}", "--pack=short", f"--data-dir={server.directory}"]
    run = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        env={**os.environ, "FACEDEX_MODELS": str(models)},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        f"{collection} was made with dlib ({_OLD}), and is searched with short ({_NEW}) now.\n"
    )


def test_searches_films_and_streams_continue_with_the_new_pack(
    server: Server, portraits: dict[str, bytes], photos: Path
) -> None:
    studio = Studio(server, portraits)
    film = moving(portraits, *portraits, seconds=5, codec_options=LIVE)
    before = studio.start(studio.put("before.mp4", film))
    assert studio.wait(before)["JobStatus"] == "SUCCEEDED"
    scene = Scene(server, studio.name)
    scene.start()
    scene.wait("RUNNING")
    over, versions = threading.Event(), set()

    def search() -> None:
        while not over.is_set():
            found = studio.rekognition.search_faces_by_image(
                CollectionId=studio.name, Image={"Bytes": portraits["grace"]}
            )
            assert found["FaceMatches"][0]["Face"]["ExternalImageId"] == "grace"
            versions.add(found["FaceModelVersion"])

    def push() -> None:
        while not over.is_set():
            scene.push(film)

    threads = [threading.Thread(target=each) for each in (search, push)]
    for thread in threads:
        thread.start()
    try:
        scene.collect(lambda records: named(records) == set(portraits))
        upgrade(server, studio.name, photos)
        scene.records()
        time.sleep(3)  # the worker has detected the new model, and its successor has started
        scene.records()
        scene.collect(lambda records: named(records) == set(portraits))
        assert scene.describe()["Status"] == "RUNNING"
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert versions == {_OLD, _NEW}
    scene.stop()

    answer = studio.wait(studio.start(studio.put("after.mp4", film)))
    assert answer["JobStatus"] == "SUCCEEDED", answer
    assert set().union(*names(answer["Persons"]).values()) == set(portraits)
    matched = [each for person in answer["Persons"] for each in person.get("FaceMatches", ())]
    assert {each["Face"]["IndexFacesModelVersion"] for each in matched} == {_NEW}
    matched = [
        each
        for person in studio.rekognition.get_face_search(JobId=before)["Persons"]
        for each in person.get("FaceMatches", ())
    ]
    assert {each["Face"]["IndexFacesModelVersion"] for each in matched} == {_OLD}


def test_a_video_job_overtaken_by_an_upgrade_continues_with_the_new_pack(
    server: Server, portraits: dict[str, bytes], photos: Path
) -> None:
    studio = Studio(server, portraits)
    film = moving(portraits, *portraits, seconds=100)
    job_id = studio.start(studio.put("film.mp4", film))
    upgrade(server, studio.name, photos)
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "SUCCEEDED"
