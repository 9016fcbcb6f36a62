"""Sources of a stream processor: garbage, silence, cameras and deleted streams."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from facedex.aws import live_sources
from facedex.media.matroska import contents, ebml
from facedex_functions.run_stream_processor import session
from tests.e2e.streaming import Scene, until
from tests.integration.streaming import PATIENCE, SECONDS, Configure, Stage, end, frames, places
from tests.media.kinesis import RATE, matroska
from tests.media.making import film as film_of
from tests.media.making import sound_only, steady
from tests.media.rtsp import Camera
from tests.ports import free_port

pytestmark = pytest.mark.usefixtures("service")


def test_deleted_video_stream_fails_the_processor_with_the_reason(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_sources, "_STREAM_PATIENCE", 1.0)
    working = stage.work(scene.name)
    scene.push(film, pace=False)
    scene.collect(frames(5 * SECONDS))
    scene.video.delete_stream(StreamARN=scene.video_arn)
    working.result(PATIENCE)
    failed = scene.describe()
    assert failed["Status"] == "FAILED"
    assert "cannot be read: ResourceNotFoundException" in failed["StatusMessage"]


def test_undecodable_frames_are_reported_and_later_ones_are_analysed(
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
    """Return a stream with an element that claims to have a terabyte."""
    head, clusters = matroska(film)
    liar = ebml.SIMPLE_BLOCK.to_bytes(1, "big") + (1 << 56 | 1 << 40).to_bytes(8, "big")
    return head + clusters[0] + contents.open_cluster(5000) + liar + b"\x00" * (1 << 20)


GARBAGE = (b"\x00" * 300_000, b"\x1a\x45\xdf\xa3" * 50_000)


@pytest.mark.parametrize("media", [*GARBAGE, "cut", "huge"], ids=["zeros", "heads", "cut", "huge"])
def test_garbage_instead_of_media_neither_ends_the_worker_nor_fills_its_memory(
    stage: Stage, scene: Scene, film: bytes, media: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if media == "cut":
        head, clusters = matroska(film)
        media = head + clusters[0][:-20]
    monkeypatch.setattr(session, "_STALLED", 1.0)
    stage.faults.media = huge(film) if media == "huge" else media
    working = stage.work(scene.name)
    if media in GARBAGE:
        until(lambda: "No readable media" in scene.describe().get("StatusMessage", ""))
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


def test_worker_hands_over_after_megabytes_of_garbage(stage: Stage, scene: Scene) -> None:
    stage.faults.media = b"\x00" * (17 << 20)
    stage.work(scene.name).result(PATIENCE)
    waiting = scene.describe()
    assert waiting["Status"] == "RUNNING"
    assert "contained no readable Matroska element" in waiting["StatusMessage"]


def test_frames_before_a_failure_are_written(stage: Stage, scene: Scene, film: bytes) -> None:
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


def test_pause_within_a_fragment_loses_no_frame(
    stage: Stage, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_QUIET", 0.1)
    # One fragment, of which the decoder holds back frames that are shown later than decoded.
    reordered = film_of(
        steady(10 * SECONDS, RATE),
        rate=RATE,
        codec_options={"g": "100", "bf": "2", "b_strategy": "0", "sc_threshold": "0"},
    )
    head, (cluster,) = matroska(reordered, start=round(time.time() * 1000))
    third = len(cluster) // 3
    working = stage.work(scene.name)
    with scene.producing() as producer:
        for part in (head, cluster[:third], cluster[third : 2 * third], cluster[2 * third :]):
            for _ in producer.send(part):
                pass
            time.sleep(1)
    written = places(scene.collect(frames(5 * SECONDS)))
    assert len(written) == len(set(written)) == 5 * SECONDS
    end(scene)
    working.result(PATIENCE)


def test_producer_that_breaks_off_loses_only_what_it_did_not_send(
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


def test_camera_that_does_not_answer_is_reported_and_retried(
    stage: Stage, film: bytes, configure: Configure
) -> None:
    port = free_port()
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


def test_camera_that_refuses_fails_its_processor_without_revealing_a_password(
    stage: Stage,
    film: bytes,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(live_sources, "_CAMERA_PATIENCE", 1.0)
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
        texts = [caplog.text, *capfd.readouterr(), str(failed), str(scene.describe()), str(records)]
        assert not [each for each in texts if "sesame" in each]
        end(scene)
        working.result(PATIENCE)


def test_stalled_stream_is_reported_until_it_continues(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_STALLED", 1.0)
    working = stage.work(scene.name)
    until(lambda: "No readable media" in scene.describe().get("StatusMessage", ""))
    scene.push(film, pace=False)
    scene.collect(frames(5 * SECONDS))
    monkeypatch.undo()
    end(scene)
    working.result(PATIENCE)
