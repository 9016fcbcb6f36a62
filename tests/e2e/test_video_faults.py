"""Video jobs complete, or fail with a reason, in spite of crashes and missing files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Server
from tests.e2e.films import PATIENCE, Studio, moving, names
from tests.processes import children

SECONDS = 40


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, pack_directory: Path
) -> Iterator[Callable[[], Server]]:
    """Return a function that starts a server with video segments of four seconds."""
    directory = tmp_path_factory.mktemp("faults") / "data"
    servers: list[Server] = []

    def start() -> Server:
        server = Server(
            directory, FACEDEX_MODELS=str(pack_directory.parent), FACEDEX_VIDEO_SEGMENT="4"
        )
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.process.poll() is None:
            assert server.stop() == 0


@pytest.fixture(scope="module")
def film(portraits: dict[str, bytes]) -> bytes:
    return moving(portraits, *portraits, seconds=SECONDS, rate=5)


@pytest.fixture(scope="module")
def studio(start: Callable[[], Server], portraits: dict[str, bytes]) -> Studio:
    return Studio(start(), portraits)


def workers(server: Server) -> list[psutil.Process]:
    return children(server.process.pid, "search_video_segment")


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
        process.kill()


def wait_until_under_way(studio: Studio, job_id: str, parts: int = 1) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = studio.rekognition.get_face_search(JobId=job_id)
        done = answer.get("StatusMessage", "0").split()[0]
        if answer["JobStatus"] != "IN_PROGRESS" or int(done) >= parts:
            assert answer["JobStatus"] == "IN_PROGRESS", answer
            return
        time.sleep(0.05)
    raise AssertionError("No part of the film was analysed.")


def assert_whole(answer: Any, portraits: dict[str, bytes]) -> None:
    """Check that every person and every frame of the video occurs exactly once."""
    assert answer["JobStatus"] == "SUCCEEDED", answer
    assert list(names(answer["Persons"]).values()) == [{name} for name in portraits]
    for index in range(len(portraits)):
        moments = [
            each["Timestamp"] for each in answer["Persons"] if each["Person"]["Index"] == index
        ]
        assert moments == list(range(0, 1000 * SECONDS, 200))


def test_duplicate_messages_change_nothing(
    studio: Studio, film: bytes, portraits: dict[str, bytes]
) -> None:
    sqs = studio.server.client("sqs")
    job_id = studio.start(studio.put("twice.mp4", film))
    queue = sqs.get_queue_url(QueueName="facedex-video")["QueueUrl"]
    for task in [*range(-1, 10)] * 4:
        body = json.dumps({"JobId": job_id, "Task": task})
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert_whole(studio.wait(job_id), portraits)


def test_killed_workers_are_replaced_and_lose_nothing(
    studio: Studio, film: bytes, portraits: dict[str, bytes]
) -> None:
    job_id = studio.start(studio.put("killed.mp4", film))
    for parts in (1, 3):
        wait_until_under_way(studio, job_id, parts)
        for each in workers(studio.server):
            _kill(each)
    assert_whole(studio.wait(job_id), portraits)


def test_randomly_killed_workers_only_delay_a_job(
    studio: Studio, film: bytes, portraits: dict[str, bytes]
) -> None:
    job_id = studio.start(studio.put("killed at random.mp4", film))
    wait_until_under_way(studio, job_id, 0)
    for turn in range(6):
        time.sleep(0.2 + 0.15 * turn)
        running = workers(studio.server)
        if running:
            _kill(running[turn % len(running)])
    assert_whole(studio.wait(job_id), portraits)


def test_requests_are_answered_while_films_are_searched(studio: Studio, film: bytes) -> None:
    job_id = studio.start(studio.put("busy.mp4", film))
    wait_until_under_way(studio, job_id)
    answered = 0
    while studio.rekognition.get_face_search(JobId=job_id)["JobStatus"] == "IN_PROGRESS":
        studio.rekognition.list_faces(CollectionId=studio.name)
        answered += 1
    assert answered >= 10


def test_replacing_the_video_fails_the_job(studio: Studio, film: bytes) -> None:
    job_id = studio.start(studio.put("replaced.mp4", film))
    wait_until_under_way(studio, job_id)
    studio.put("replaced.mp4", film + b"\0" * 1000)
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "FAILED"
    assert "replaced" in answer["StatusMessage"]


def test_deleting_the_video_fails_the_job(studio: Studio, film: bytes) -> None:
    job_id = studio.start(studio.put("deleted.mp4", film))
    wait_until_under_way(studio, job_id)
    studio.s3.delete_object(Bucket=studio.name, Key="deleted.mp4")
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "FAILED"
    assert "does not exist any more" in answer["StatusMessage"]
    assert answer["Persons"] == []


def test_deleting_the_collection_fails_the_job(studio: Studio, film: bytes) -> None:
    client = studio.rekognition
    client.create_collection(CollectionId="passing")
    job_id = studio.start(studio.put("passing.mp4", film), CollectionId="passing")
    wait_until_under_way(studio, job_id)
    client.delete_collection(CollectionId="passing")
    client.create_collection(CollectionId="passing")
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "FAILED"
    assert "passing was deleted" in answer["StatusMessage"]


def test_a_server_that_is_killed_ends_its_jobs_after_the_next_start(
    studio: Studio, start: Callable[[], Server], film: bytes
) -> None:
    """S3 is in the server's memory here, so the video is lost with the server."""
    job_id = studio.start(studio.put("lost.mp4", film))
    wait_until_under_way(studio, job_id)
    orphans = workers(studio.server)
    studio.server.process.kill()
    studio.server.process.wait()
    psutil.wait_procs(orphans, timeout=60)
    assert not [each for each in orphans if each.is_running()]
    again = start()
    studio.rekognition = again.client("rekognition")
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "FAILED"
    assert "lost.mp4" in answer["StatusMessage"]
