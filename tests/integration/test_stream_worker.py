"""A worker of a stream processor, whatever happens to what it reads from and writes to."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from facedex import services, settings
from facedex.api import clients
from facedex.media.matroska import contents, ebml
from facedex.store import schema
from functions.run_stream_processor import output, session, sources
from local import live
from local.queues import STREAMS
from tests.e2e.streaming import Scene, moment, until
from tests.integration.streaming import Stage
from tests.media.kinesis import matroska, numbered_film
from tests.media.making import sound_only
from tests.media.rtsp import Camera

SECONDS = 3
PATIENCE = 60.0


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def film() -> bytes:
    """Three seconds without anybody, ten frames and a key frame in each."""
    return numbered_film(10 * SECONDS)


Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    def configure(**chosen: object) -> None:
        for name, value in chosen.items():
            monkeypatch.setenv(f"FACEDEX_{name}", str(value))
        settings.settings.cache_clear()

    return configure


@pytest.fixture(autouse=True)
def service(
    stage: Stage,
    database_url: str,
    pack_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    configure: Configure,
) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    for name in ("SQS", "KINESIS", "KINESIS_VIDEO"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", stage.url)
    queue = stage.client("sqs").create_queue(QueueName=f"{STREAMS.name}-{uuid4().hex}")
    configure(
        DATABASE_URL=database_url,
        AUTH="none",
        MODELS=pack_directory.parent,
        STREAM_QUEUE=queue["QueueUrl"],
    )
    made: tuple[Any, ...] = (services._database, services._pack, clients.queues)
    for each in made:
        each.cache_clear()
    schema.migrate(services.database())
    stage.client("rekognition").create_collection(CollectionId="staff")
    yield
    stage.faults.throttle = stage.faults.refuse = 0
    stage.faults.media = b""
    stage.ahead = 0.0
    services.database().close()
    for each in (*made, settings.settings):
        each.cache_clear()


@pytest.fixture
def scene(stage: Stage) -> Iterator[Scene]:
    made = Scene(stage, "staff")
    made.start()
    yield made
    end(made)


def end(scene: Scene) -> None:
    """Have whoever works on it let go."""
    described = scene.describe()["Status"]
    if described not in ("STOPPED", "FAILED"):
        scene.rekognition.stop_stream_processor(Name=scene.name)
        scene.wait("STOPPED", PATIENCE)


def places(records: list[Any]) -> list[tuple[str, float]]:
    found = [record["InputInformation"]["KinesisVideo"] for record in records]
    return [(each["FragmentNumber"], each["FrameOffsetInSeconds"]) for each in found]


def frames(count: int) -> Callable[[list[Any]], bool]:
    """Whether records of so many different frames have come."""
    return lambda records: len(set(places(records))) >= count


def messages(scene: Scene) -> int:
    """How many workers have been sent for since the last call."""
    sqs = scene.server.client("sqs")
    url = settings.settings().stream_queue
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in received:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return len(received)


def test_a_worker_hands_over_after_its_time_and_nothing_is_lost_or_written_twice(
    stage: Stage, scene: Scene, film: bytes, configure: Configure
) -> None:
    configure(STREAM_SECONDS=1)
    assert messages(scene) == 1
    feeder = threading.Thread(target=scene.push, args=(film,), daemon=True)
    feeder.start()
    records: list[Any] = []
    workers = 0
    while not frames(5 * SECONDS)(records):
        stage.work(scene.name).result(PATIENCE)
        workers += 1
        assert workers < 20
        # Its successor was sent for at once, by nobody's sweep.
        assert messages(scene) == 1
        records += scene.records()
    feeder.join()
    assert workers > 1
    assert max(Counter(places(records)).values()) == 1
    times = [moment(record) for record in records]
    assert times == sorted(times)
    assert max(after - before for before, after in pairwise(times)) < 0.35
    assert scene.describe()["Status"] == "RUNNING"


def test_a_worker_that_is_behind_goes_on_at_live_and_its_next_record_says_so(
    stage: Stage, scene: Scene, film: bytes, configure: Configure, capfd: Any
) -> None:
    configure(STREAM_BEHIND=20)
    scene.push(film, pace=False)
    stage.ahead = 60.0
    scene.push(film, start=time.time() + 60, pace=False)
    working = stage.work(scene.name)
    records = scene.collect(lambda found: bool(found) and moment(found[-1]) > time.time() + 30)
    said = [record["StreamProcessorInformation"] for record in records]
    # The first fragment told how far behind it is.
    assert said[0] == said[1] == {"Status": "RUNNING"}
    assert said[5]["SkippedSeconds"] == pytest.approx(60, abs=5)
    assert all(each == {"Status": "RUNNING"} for each in said[6:])
    end(scene)
    working.result(PATIENCE)
    assert '"StreamSkippedSeconds"' in capfd.readouterr().out


def test_a_place_that_is_not_held_any_more_is_left_for_live(
    stage: Stage, scene: Scene, film: bytes, configure: Configure
) -> None:
    configure(STREAM_SECONDS=1)
    scene.push(film, pace=False)
    records: list[Any] = []
    while len(records) < 5 * SECONDS:
        stage.work(scene.name).result(PATIENCE)
        records += scene.records()
    scene.video.delete_stream(StreamARN=scene.video_arn)
    stage.ahead = 30.0
    assert scene.make_video_stream() == scene.video_arn
    configure(STREAM_SECONDS=60)
    working = stage.work(scene.name)
    scene.push(film, pace=False)
    later = scene.collect(frames(5))
    assert later[0]["StreamProcessorInformation"]["SkippedSeconds"] == pytest.approx(30, abs=15)
    assert scene.describe()["Status"] == "RUNNING"
    end(scene)
    working.result(PATIENCE)


def test_records_that_are_refused_are_put_again_until_each_is_taken(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    stage.faults.throttle, stage.faults.refuse = 3, 3
    scene.push(film, pace=False)
    working = stage.work(scene.name)
    records = scene.collect(frames(5 * SECONDS))
    assert stage.faults.throttle == stage.faults.refuse == 0
    assert max(Counter(places(records)).values()) == 1
    end(scene)
    working.result(PATIENCE)


def test_a_stream_that_takes_nothing_is_left_to_a_successor_who_loses_nothing(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_PATIENCE", 1.0)
    stage.faults.throttle = 1_000_000
    scene.push(film, pace=False)
    stage.work(scene.name).result(PATIENCE)
    waiting = scene.describe()
    assert waiting["Status"] == "RUNNING"
    assert "takes no records: ProvisionedThroughput" in waiting["StatusMessage"]
    assert scene.records() == []
    stage.faults.throttle = 0
    working = stage.work(scene.name)
    scene.collect(frames(5 * SECONDS))
    until(lambda: "StatusMessage" not in scene.describe())
    end(scene)
    working.result(PATIENCE)


def test_a_data_stream_deleted_in_the_middle_fails_the_processor_with_the_reason(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_BRIEF_PATIENCE", 1.0)
    scene.push(film, pace=False)
    working = stage.work(scene.name)
    scene.collect(frames(5))
    scene.kinesis.delete_stream(StreamName=scene.name)
    scene.push(film, start=time.time() + 10, pace=False)
    working.result(PATIENCE)
    failed = scene.describe()
    assert failed["Status"] == "FAILED"
    assert "takes no records: ResourceNotFoundException" in failed["StatusMessage"]


def test_a_video_stream_deleted_in_the_middle_fails_the_processor_with_the_reason(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_REFUSALS", 1.0)
    working = stage.work(scene.name)
    scene.push(film, pace=False)
    scene.collect(frames(5 * SECONDS))
    scene.video.delete_stream(StreamARN=scene.video_arn)
    working.result(PATIENCE)
    failed = scene.describe()
    assert failed["Status"] == "FAILED"
    assert "cannot be read: ResourceNotFoundException" in failed["StatusMessage"]


def test_of_two_workers_by_force_one_works(stage: Stage, scene: Scene, film: bytes) -> None:
    working = [stage.work(scene.name) for _ in range(4)]
    until(lambda: sum(each.done() for each in working) == 3)
    scene.push(film, pace=False)
    records = scene.collect(frames(5 * SECONDS))
    assert max(Counter(places(records)).values()) == 1
    assert sum(each.done() for each in working) == 3
    end(scene)
    for each in working:
        each.result(PATIENCE)


def test_a_worker_that_loses_its_lease_writes_nothing_more(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    first = stage.work(scene.name)
    feeder = threading.Thread(target=lambda: [scene.push(film) for _ in range(2)], daemon=True)
    feeder.start()
    records = scene.collect(frames(3))
    with services.database().transaction() as connection:
        connection.execute("UPDATE stream_processors SET leased_until = now()")
    second = stage.work(scene.name)
    first.result(PATIENCE)
    assert not second.done()
    # What the two may have written at the same time.
    records += scene.collect(frames(2))
    common = len(records)
    records += scene.collect(frames(10 * SECONDS - len(set(places(records)))))
    feeder.join()
    counts = Counter(places(records))
    assert (
        max(
            counts[place] for place in set(places(records[common:])) - set(places(records[:common]))
        )
        == 1
    )
    times = sorted({round(moment(record), 2) for record in records})
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) < 1.2  # between the two films
    assert sum(gap > 0.35 for gap in gaps) <= 1
    end(scene)
    second.result(PATIENCE)


@pytest.mark.parametrize("state", ["silent", "throttled", "unreachable", "gone"])
def test_stop_takes_effect_within_seconds_in_every_state(
    stage: Stage, film: bytes, state: str, configure: Configure
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        place = f"127.0.0.1:{deaf.getsockname()[1]}"
        configure(RTSP_HOSTS=place)
        arn = {
            "unreachable": f"arn:facedex:kinesisvideo:us-east-1:123456789012:rtsp://{place}/door",
            "gone": "arn:aws:kinesisvideo:us-east-1:123456789012:stream/gone/1598784211076",
        }.get(state, "")
        scene = Scene(stage, "staff", video_arn=arn)
        scene.start()
        if state == "throttled":
            stage.faults.throttle = 1_000_000
            scene.push(film, pace=False)
        working = stage.work(scene.name)
        scene.wait("RUNNING")
        if state == "throttled":
            until(lambda: "takes no records" in scene.describe().get("StatusMessage", ""))
        began = time.monotonic()
        scene.rekognition.stop_stream_processor(Name=scene.name)
        working.result(PATIENCE)
        taken = time.monotonic() - began
        assert scene.describe()["Status"] == "STOPPED"
        print(f"{state}: stopped in {taken:.1f} s")
        assert taken < 10


def test_frames_of_garbage_are_told_of_and_the_stream_goes_on_behind_them(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_BROKEN", 5)
    head, clusters = matroska(film, start=round(time.time() * 1000))
    garbage = contents.open_cluster(round(time.time() * 1000) + 5000) + b"".join(
        ebml.element(
            ebml.SIMPLE_BLOCK,
            b"\x81" + (100 * number).to_bytes(2, "big") + b"\x80" + b"\x00\x00\x00\x08garbage!",
        )
        for number in range(20)
    )
    working = stage.work(scene.name)
    with scene.producing() as producer:
        for part in (head, *clusters, garbage):
            for _ in producer.send(part):
                pass
    until(lambda: "could not be decoded" in scene.describe().get("StatusMessage", ""))
    assert scene.describe()["Status"] == "RUNNING"
    scene.push(film, start=time.time() + 30, pace=False)
    scene.collect(frames(10 * SECONDS))
    until(lambda: "StatusMessage" not in scene.describe())
    end(scene)
    working.result(PATIENCE)


def huge(film: bytes) -> bytes:
    """A stream in which an element says that it has a terabyte."""
    head, clusters = matroska(film)
    liar = ebml.SIMPLE_BLOCK.to_bytes(1, "big") + (1 << 56 | 1 << 40).to_bytes(8, "big")
    return head + clusters[0] + contents.open_cluster(5000) + liar + b"\x00" * (1 << 20)


GARBAGE = (b"\x00" * 300_000, b"\x1a\x45\xdf\xa3" * 50_000)


@pytest.mark.parametrize("media", [*GARBAGE, "cut", "huge"], ids=["zeros", "heads", "cut", "huge"])
def test_an_answer_of_garbage_ends_neither_the_worker_nor_its_memory(
    stage: Stage, scene: Scene, film: bytes, media: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if media == "cut":
        head, clusters = matroska(film)
        media = head + clusters[0][:-20]
    monkeypatch.setattr(session, "_STALLED", 1.0)
    stage.faults.media = huge(film) if media == "huge" else media
    working = stage.work(scene.name)
    if media in GARBAGE:
        until(lambda: "No media that can be read" in scene.describe().get("StatusMessage", ""))
    else:
        scene.collect(bool)
    assert scene.describe()["Status"] == "RUNNING"
    assert not working.done()
    stage.faults.media = b""
    scene.push(film, pace=False)
    scene.collect(lambda found: sum(bool(number) for number, _ in places(found)) >= 5 * SECONDS)
    assert scene.describe()["Status"] == "RUNNING"
    end(scene)
    working.result(PATIENCE)


def test_megabytes_of_garbage_are_left_to_another_worker(stage: Stage, scene: Scene) -> None:
    stage.faults.media = b"\x00" * (17 << 20)
    stage.work(scene.name).result(PATIENCE)
    waiting = scene.describe()
    assert waiting["Status"] == "RUNNING"
    assert "could be read as Matroska" in waiting["StatusMessage"]


def test_what_was_seen_before_a_failure_is_told_all_the_same(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    stage.faults.throttle = 2
    scene.push(film, pace=False)
    with scene.producing() as producer:
        head, clusters = matroska(sound_only(), start=round(time.time() * 1000) + 5000)
        for part in (head, *clusters):
            for _ in producer.send(part):
                pass
    stage.work(scene.name).result(PATIENCE)
    failed = scene.describe()
    assert (failed["Status"], failed["StatusMessage"]) == (
        "FAILED",
        "The stream has no video track.",
    )
    assert frames(5 * SECONDS)(scene.records())


def test_a_producer_that_breaks_off_costs_what_it_has_not_sent(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    head, clusters = matroska(film, start=round(time.time() * 1000))
    working = stage.work(scene.name)
    producer = scene.open_producer()
    for part in (head, clusters[0], clusters[1][:-20]):
        for _ in producer.send(part):
            pass
    scene.collect(frames(6))
    producer.close()
    scene.push(film, start=time.time() + 10, pace=False)
    scene.collect(frames(5 * SECONDS))
    assert scene.describe()["Status"] == "RUNNING"
    end(scene)
    working.result(PATIENCE)


def camera_scene(stage: Stage, url: str) -> Scene:
    scene = Scene(
        stage, "staff", video_arn=f"arn:facedex:kinesisvideo:us-east-1:123456789012:{url}"
    )
    scene.start()
    return scene


def test_a_camera_that_does_not_answer_is_waited_for_and_the_owner_is_told(
    stage: Stage, film: bytes, configure: Configure
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configure(RTSP_HOSTS=f"127.0.0.1:{port}")
    scene = camera_scene(stage, f"rtsp://127.0.0.1:{port}/camera")
    working = stage.work(scene.name)
    until(lambda: "camera does not answer" in scene.describe().get("StatusMessage", ""))
    assert scene.describe()["Status"] == "RUNNING"
    with Camera(film, port=port):
        scene.collect(frames(5))
        until(lambda: "StatusMessage" not in scene.describe())
    end(scene)
    working.result(PATIENCE)


def test_a_camera_that_refuses_fails_its_processor_and_no_password_is_told(
    stage: Stage,
    film: bytes,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(sources, "_CAMERA_REFUSALS", 1.0)
    with Camera(film, credentials=("door", "open-sesame")) as camera:
        place = f"127.0.0.1:{camera.port}"
        configure(RTSP_HOSTS=place, RTSP_CREDENTIALS=f"door:sesame-street@{place}")
        scene = camera_scene(stage, camera.url)
        stage.work(scene.name).result(PATIENCE)
        failed = scene.describe()
        assert failed["Status"] == "FAILED"
        assert "401" in failed["StatusMessage"]
        configure(RTSP_HOSTS=place, RTSP_CREDENTIALS=f"door:open-sesame@{place}")
        scene.start()
        working = stage.work(scene.name)
        records = scene.collect(frames(5))
        told = [caplog.text, *capfd.readouterr(), str(failed), str(scene.describe()), str(records)]
        assert not [each for each in told if "sesame" in each]
        end(scene)
        working.result(PATIENCE)


def test_a_stalled_stream_is_told_of_until_it_goes_on(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_STALLED", 1.0)
    working = stage.work(scene.name)
    until(lambda: "No media that can be read" in scene.describe().get("StatusMessage", ""))
    scene.push(film, pace=False)
    scene.collect(frames(5 * SECONDS))
    monkeypatch.undo()
    end(scene)
    working.result(PATIENCE)


def test_a_machine_that_is_started_again_makes_the_streams_of_processors_at_work(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    """What was in memory is gone with the process before; a worker that goes on needs both."""
    resting = Scene(stage, "staff")
    for each in (scene, resting):
        each.video.delete_stream(StreamARN=each.video_arn)
        each.kinesis.delete_stream(StreamName=each.name)
    with services.database().transaction() as connection:
        live._restore_streams(connection, "http://127.0.0.1:1")
    with pytest.raises(scene.video.exceptions.ResourceNotFoundException):
        scene.video.describe_stream(StreamARN=scene.video_arn)
    for _ in range(2):
        with services.database().transaction() as connection:
            live._restore_streams(connection, stage.url)
    working = stage.work(scene.name)
    scene.push(film, pace=False)
    scene.collect(frames(5 * SECONDS))
    with pytest.raises(resting.kinesis.exceptions.ResourceNotFoundException):
        resting.kinesis.describe_stream_summary(StreamName=resting.name)
    end(scene)
    working.result(PATIENCE)
