"""Faces in streaming video: a video pushed as a live stream, and its records read by boto3."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import psutil
import psycopg
import pytest

from facedex_local.postgres.cluster import Postgres
from facedex_local.workers.queues import STREAMS
from tests.conftest import Server
from tests.e2e.films import Studio, moving
from tests.e2e.streaming import Scene, definition, kill, moment, named, names, until, workers
from tests.media.kinesis import matroska
from tests.media.making import film, numbered, sound_only, steady
from tests.media.rtsp import Camera
from tests.ports import free_port

# As recommended for cameras: a key frame each second, at which a fragment begins.
LIVE = {"g": "10", "bf": "0", "sc_threshold": "0"}


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, pack_directory: Any, port: int
) -> Iterator[Server]:
    """Return a separate server, whose workers these tests kill."""
    running = Server(
        tmp_path_factory.mktemp("streaming") / "data",
        FACEDEX_MODELS=str(pack_directory.parent),
        FACEDEX_RTSP_HOSTS=f"127.0.0.1:{port}",
    )
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def studio(server: Server, portraits: dict[str, bytes]) -> Studio:
    return Studio(server, portraits)


@pytest.fixture(scope="module")
def both(portraits: dict[str, bytes]) -> bytes:
    """Return a video of five seconds with both people."""
    return moving(portraits, *portraits, seconds=5, codec_options=LIVE)


@pytest.fixture
def scene(server: Server, studio: Studio) -> Iterator[Scene]:
    made = Scene(server, studio.name)
    yield made
    made.stop()


def test_a_live_film_names_the_people_that_its_stored_search_names_at_the_same_moments(
    scene: Scene, studio: Studio, both: bytes
) -> None:
    scene.start()
    scene.wait("RUNNING")
    began = scene.push(both)
    records = scene.collect(lambda found: len(found) >= 25)
    stored: dict[int, set[str]] = {}
    for each in studio.wait(studio.start(studio.put("both.mp4", both)))["Persons"]:
        matches = {match["Face"]["ExternalImageId"] for match in each["FaceMatches"]}
        stored.setdefault(each["Timestamp"], set()).update(matches)
    live = {round(1000 * (moment(record) - began)): named(record) for record in records}
    assert live == stored
    assert names(records) == {"eileen", "grace"}


def test_a_record_has_what_rekognition_documents(scene: Scene, both: bytes) -> None:
    scene.start()
    scene.push(both)
    record = scene.collect(lambda found: len(found) > 10)[10]
    assert set(record) == {
        "InputInformation",
        "StreamProcessorInformation",
        "FaceSearchResponse",
    }
    place = record["InputInformation"]["KinesisVideo"]
    assert place["StreamArn"] == scene.video_arn
    assert place["FragmentNumber"].isdecimal()
    assert abs(place["ServerTimestamp"] - place["ProducerTimestamp"]) < 60
    assert 0 <= place["FrameOffsetInSeconds"] < 1
    assert record["StreamProcessorInformation"] == {"Status": "RUNNING"}
    for face in record["FaceSearchResponse"]:
        assert set(face["DetectedFace"]) == {
            "BoundingBox",
            "Confidence",
            "Landmarks",
            "Pose",
            "Quality",
        }
        (match,) = face["MatchedFaces"]
        assert match["Similarity"] > 80
        assert {"FaceId", "ImageId", "BoundingBox", "Confidence"} < set(match["Face"])


def test_media_after_the_start_is_searched_even_if_a_worker_comes_later(
    scene: Scene, both: bytes
) -> None:
    scene.start()
    began = scene.push(both, pace=False)
    records = scene.collect(lambda found: len(found) >= 25)
    assert abs(moment(records[0]) - began) < 0.01


def test_a_killed_worker_leaves_no_gap(server: Server, scene: Scene, both: bytes) -> None:
    scene.start()
    scene.wait("RUNNING")
    pushed: list[float] = []
    feeder = threading.Thread(
        target=lambda: pushed.extend(scene.push(both) for _ in range(2)), daemon=True
    )
    feeder.start()
    records = scene.collect(lambda found: len(found) >= 5)
    killed = time.monotonic()
    kill(workers(server))
    last = moment(records[-1])
    more = scene.collect(lambda found: any(moment(each) > last + 0.15 for each in found))
    print(f"recovered in {time.monotonic() - killed:.1f} s")
    feeder.join()
    found = [moment(each) for each in records + more]

    def complete() -> bool:
        found.extend(map(moment, scene.records()))
        return whole(found, pushed)

    until(complete)
    assert scene.describe()["Status"] == "RUNNING"


def test_only_one_of_many_workers_writes_and_a_resumed_one_writes_nothing(
    server: Server, scene: Scene, both: bytes
) -> None:
    scene.start()
    scene.wait("RUNNING")
    sleepers = [psutil.Process(pid) for pid in workers(server)]
    like = sleepers[0]
    others = [
        subprocess.Popen(like.cmdline(), env=like.environ(), stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        with psycopg.connect(Postgres(server.directory).url) as connection:
            query = "SELECT processor_key FROM stream_processors WHERE name = %s"
            ((key,),) = connection.execute(query, (scene.name,)).fetchall()
        sqs = server.client("sqs")
        queue = sqs.get_queue_url(QueueName=STREAMS.name)["QueueUrl"]
        for _ in range(6):
            sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"StreamProcessor": key}))
        found: list[float] = []
        pushed: list[float] = []

        def complete() -> bool:
            found.extend(map(moment, scene.records()))
            return whole(found, pushed)

        pushed.append(scene.push(both, pace=False))
        until(complete)
        # The next worker continues after the last second but one, or later.
        until(lambda: reached(server, scene) > pushed[0] + 2.9)
        for each in sleepers:
            each.suspend()
        pushed.append(scene.push(both, start=time.time() + 10, pace=False))
        until(complete)
        for each in sleepers:
            each.resume()
        time.sleep(2)  # time in which the worker would write pending records
        pushed.append(scene.push(both, start=time.time() + 30, pace=False))
        until(complete)
    finally:
        for each in sleepers:
            each.resume()
        for each in others:
            each.communicate()
    # The fragment in progress may be processed twice.
    assert len(found) <= 75 + 10


def whole(found: Sequence[float], pushed: Sequence[float]) -> bool:
    """Return whether there are records of all films, five a second for five seconds.

    A worker that continues after another one may choose the frame beside.

    Args:
        found: the times of the records.
        pushed: when the films began.
    """
    near = {round(each + apart, 1) for each in found for apart in (-0.1, 0.0, 0.1)}
    return all(round(began + number / 5, 1) in near for began in pushed for number in range(25))


def reached(server: Server, scene: Scene) -> float:
    """Return the time of the last fragment of which a worker has stored that it is done, or 0."""
    query = "SELECT checkpoint->>'producer_timestamp' FROM stream_processors WHERE name = %s"
    with psycopg.connect(Postgres(server.directory).url) as connection:
        ((moment_,),) = connection.execute(query, (scene.name,)).fetchall()
    return float(moment_ or 0)


def test_stop_takes_effect_within_seconds_on_an_idle_stream(scene: Scene) -> None:
    scene.start()
    scene.wait("RUNNING")
    began = time.monotonic()
    scene.rekognition.stop_stream_processor(Name=scene.name)
    scene.wait("STOPPED", 20)
    print(f"stopped in {time.monotonic() - began:.1f} s")


def test_a_processor_is_deleted_directly_after_it_was_stopped_as_in_amazons_example(
    server: Server, studio: Studio, both: bytes
) -> None:
    scene = Scene(server, studio.name)
    client = scene.rekognition
    scene.start()
    scene.wait("RUNNING")
    scene.push(both)
    client.stop_stream_processor(Name=scene.name)
    client.delete_stream_processor(Name=scene.name)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        scene.describe()
    client.create_stream_processor(
        **definition(scene.name, studio.name, video=scene.video_arn, data=scene.data_arn)
    )
    scene.start()
    scene.wait("RUNNING")
    began = scene.push(both, pace=False)
    scene.collect(lambda found: any(moment(record) >= began for record in found))
    scene.stop()
    client.delete_stream_processor(Name=scene.name)


def test_a_deleted_collection_fails_the_processor_with_the_reason(
    server: Server, both: bytes
) -> None:
    client = server.client("rekognition")
    client.create_collection(CollectionId="short-lived")
    scene = Scene(server, "short-lived")
    scene.start()
    scene.wait("RUNNING")
    client.delete_collection(CollectionId="short-lived")
    said = scene.wait("FAILED")
    assert said["StatusMessage"] == "The collection short-lived was deleted."


def test_missing_streams_fail_their_processors_with_the_reason(
    server: Server, studio: Studio, scene: Scene, both: bytes
) -> None:
    arn = "arn:aws:kinesisvideo:us-east-1:123456789012:stream/nowhere/1598784211076"
    blind = Scene(server, studio.name, video_arn=arn)
    blind.start()
    scene.start()
    scene.wait("RUNNING")
    scene.kinesis.delete_stream(StreamName=scene.name)
    scene.push(both, pace=False)
    said = blind.wait("FAILED")["StatusMessage"]
    assert "cannot be read: ResourceNotFoundException" in said
    said = scene.wait("FAILED")["StatusMessage"]
    assert "accepts no records: ResourceNotFoundException" in said


def test_a_stream_without_video_fails_the_processor_with_the_reason(scene: Scene) -> None:
    scene.start()
    head, clusters = matroska(sound_only(), start=round(time.time() * 1000))
    with scene.producing() as producer:
        for part in (head, *clusters):
            for _ in producer.send(part):
                pass
    said = scene.wait("FAILED")
    assert said["StatusMessage"] == "The stream has no video track."


def test_a_stream_continues_after_a_change_of_size_codec_and_clock(
    scene: Scene, both: bytes
) -> None:
    small = film(steady(10, 10), numbered(), rate=10, codec_options=LIVE)
    other = film(steady(10, 10), numbered(), rate=10, codec="mpeg4", container="mp4")
    scene.start()
    scene.wait("RUNNING")
    now = time.time()
    for number, (media, start) in enumerate(
        ((both, now), (small, now + 60), (other, now + 30), (both, now + 20))
    ):
        scene.push(media, start=start, pace=False)
        wanted = [25, 5, 5, 25][number]
        assert len(scene.collect(lambda found, least=wanted: len(found) >= least)) >= wanted  # type: ignore[misc]
    assert scene.describe()["Status"] == "RUNNING"


def test_a_camera_is_watched_by_its_address(
    server: Server, studio: Studio, both: bytes, port: int
) -> None:
    began = time.time()
    with Camera(both, port=port) as camera:
        arn = f"arn:facedex:kinesisvideo:us-east-1:123456789012:{camera.url}"
        scene = Scene(server, studio.name, video_arn=arn)
        scene.start()
        records = scene.collect(lambda found: len(found) >= 20 and len(names(found)) == 2)
        places = [record["InputInformation"]["KinesisVideo"] for record in records]
        assert {place["StreamArn"] for place in places} == {arn}
        # A fragment has the time at which it arrived, however late a busy worker reads it.
        arrived = [place["ProducerTimestamp"] for place in places]
        assert arrived == sorted(arrived)
        assert began <= arrived[0] <= arrived[-1] <= time.time()
        # Within a fragment, the times are the camera's: five frames a second.
        for before, after in pairwise(places):
            if before["FragmentNumber"] == after["FragmentNumber"]:
                apart = after["FrameOffsetInSeconds"] - before["FrameOffsetInSeconds"]
                assert 0.05 < apart < 0.35
            else:
                assert before["FragmentNumber"] < after["FragmentNumber"]
        assert len({place["FragmentNumber"] for place in places}) >= 3
        scene.stop()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("rtsp://10.0.0.1/door", "FACEDEX_RTSP_HOSTS"),
        ("rtsp://user:secret@127.0.0.1/door", "must not have a user or password"),
        ("file:///etc/passwd", "must have the form"),
    ],
)
def test_a_camera_outside_the_allow_list_is_refused(
    server: Server, studio: Studio, address: str, says: str
) -> None:
    arn = f"arn:facedex:kinesisvideo:us-east-1:123456789012:{address}"
    with pytest.raises(Exception, match=says) as refused:
        Scene(server, studio.name, video_arn=arn)
    assert "secret" not in str(refused.value)
