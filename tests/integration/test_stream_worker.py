"""Runs of a stream processor: handover, skipping to live, stop, lost leases and records."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from facedex.runtime import model_packs, services
from facedex_functions.run_stream_processor import record_writer
from facedex_local.workers import stream_workforce
from tests.e2e.streaming import Scene, moment, until
from tests.integration.streaming import (
    PATIENCE,
    SECONDS,
    Configure,
    Stage,
    end,
    frames,
    messages,
    places,
)

pytestmark = pytest.mark.usefixtures("service")


def test_handover_after_the_time_limit_loses_and_repeats_no_frame(
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
        # The message for its successor was sent at once, without a sweep.
        assert messages(scene) == 1
        records += scene.records()
    feeder.join()
    assert workers > 1
    assert max(Counter(places(records)).values()) == 1
    times = [moment(record) for record in records]
    assert times == sorted(times)
    assert max(after - before for before, after in pairwise(times)) < 0.35
    assert scene.describe()["Status"] == "RUNNING"


def test_worker_behind_live_skips_ahead_and_its_next_record_says_so(
    stage: Stage, scene: Scene, film: bytes, configure: Configure, capfd: Any
) -> None:
    configure(STREAM_BEHIND=20)
    scene.push(film, pace=False)
    stage.ahead = 60.0
    began = scene.push(film, start=time.time() + 60, pace=False)
    working = stage.work(scene.name)
    records = scene.collect(lambda found: bool(found) and moment(found[-1]) > began - 1)
    said = [record["StreamProcessorInformation"] for record in records]
    # The first fragment contained the delay to live.
    assert said[0] == said[1] == {"Status": "RUNNING"}
    assert 59 < said[5]["SkippedSeconds"] < 59 + PATIENCE
    assert all(each == {"Status": "RUNNING"} for each in said[6:])
    end(scene)
    working.result(PATIENCE)
    written = capfd.readouterr().out
    assert '"StreamSkippedSeconds"' in written
    assert '"Dimensions":[["FunctionName","StreamProcessor"' in written


def test_worker_continues_at_live_when_its_position_is_gone(
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
    assert 29 < later[0]["StreamProcessorInformation"]["SkippedSeconds"] < 29 + PATIENCE
    assert scene.describe()["Status"] == "RUNNING"
    end(scene)
    working.result(PATIENCE)


def test_worker_continues_at_live_when_its_position_is_invalid(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    with services.database().transaction() as connection:
        connection.execute(
            "UPDATE stream_processors SET checkpoint = %s",
            (
                Jsonb(
                    {
                        "fragment_number": "1",
                        "continuation_token": "no token at all",
                        "server_timestamp": 1.5,
                        "producer_timestamp": None,
                    }
                ),
            ),
        )
    working = stage.work(scene.name)
    scene.push(film, pace=False)
    scene.collect(frames(5))
    assert scene.describe()["Status"] == "RUNNING"
    end(scene)
    working.result(PATIENCE)


def test_refused_records_are_retried_until_each_is_accepted(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    stage.faults.throttle, stage.faults.refuse = 2, 2
    scene.push(film, pace=False)
    working = stage.work(scene.name)
    records = scene.collect(frames(5 * SECONDS))
    assert stage.faults.throttle == stage.faults.refuse == 0
    assert max(Counter(places(records)).values()) == 1
    end(scene)
    working.result(PATIENCE)


def test_successor_writes_all_records_that_the_data_stream_refused(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_writer, "_PATIENCE", 1.0)
    stage.faults.throttle = 1_000_000
    scene.push(film, pace=False)
    stage.work(scene.name).result(PATIENCE)
    waiting = scene.describe()
    assert waiting["Status"] == "RUNNING"
    assert "accepts no records: ProvisionedThroughput" in waiting["StatusMessage"]
    assert scene.records() == []
    stage.faults.throttle = 0
    working = stage.work(scene.name)
    scene.collect(frames(5 * SECONDS))
    until(lambda: "StatusMessage" not in scene.describe())
    end(scene)
    working.result(PATIENCE)


def test_deleted_data_stream_fails_the_processor_with_the_reason(
    stage: Stage, scene: Scene, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_writer, "_BRIEF_PATIENCE", 1.0)
    scene.push(film, pace=False)
    working = stage.work(scene.name)
    scene.collect(frames(5))
    scene.kinesis.delete_stream(StreamName=scene.name)
    scene.push(film, start=time.time() + 10, pace=False)
    working.result(PATIENCE)
    failed = scene.describe()
    assert failed["Status"] == "FAILED"
    assert "accepts no records: ResourceNotFoundException" in failed["StatusMessage"]


def test_incomplete_pack_is_named_until_a_worker_has_it(
    stage: Stage,
    scene: Scene,
    film: bytes,
    pack_directory: Path,
    tmp_path: Path,
    configure: Configure,
) -> None:
    pack = tmp_path / pack_directory.name
    pack.mkdir()
    for file in pack_directory.iterdir():
        if file.name != "detector.onnx":
            (pack / file.name).symlink_to(file)
    configure(MODELS=tmp_path)
    model_packs._shelf.cache_clear()
    scene.push(film, pace=False)
    stage.work(scene.name).result(PATIENCE)
    waiting = scene.describe()
    assert waiting["Status"] == "RUNNING"
    assert waiting["StatusMessage"] == (
        f"The model pack {pack.name} is not installed or incomplete; fetch it with"
        f" `facedex models pull {pack.name}`."
    )
    (pack / "detector.onnx").symlink_to(pack_directory / "detector.onnx")
    working = stage.work(scene.name)
    scene.collect(frames(5 * SECONDS))
    end(scene)
    working.result(PATIENCE)


def test_only_one_of_several_concurrent_workers_works(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    working = [stage.work(scene.name) for _ in range(4)]
    until(lambda: sum(each.done() for each in working) == 3)
    scene.push(film, pace=False)
    records = scene.collect(frames(5 * SECONDS))
    assert max(Counter(places(records)).values()) == 1
    assert sum(each.done() for each in working) == 3
    end(scene)
    for each in working:
        each.result(PATIENCE)


def test_worker_that_loses_its_lease_writes_no_more_records(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    first = stage.work(scene.name)
    pushed: list[float] = []
    feeder = threading.Thread(
        target=lambda: pushed.extend(scene.push(film) for _ in range(2)), daemon=True
    )
    feeder.start()
    records = scene.collect(frames(3))
    with services.database().transaction() as connection:
        connection.execute("UPDATE stream_processors SET lease = NULL, leased_until = NULL")
    second = stage.work(scene.name)
    first.result(PATIENCE)
    # Records that both workers may have written at the same time.
    records += scene.collect(frames(2))
    common = set(places(records))
    later: list[Any] = []

    def complete() -> bool:
        later.extend(scene.records())
        return len(common | set(places(later))) >= 10 * SECONDS

    until(complete)
    feeder.join()
    counts = Counter(places(later))
    assert {counts[place] for place in counts.keys() - common} == {1}
    found = {round(moment(record), 1) for record in records + later}
    for began in pushed:
        for number in range(5 * SECONDS):
            at = began + number / 5
            assert {round(at - 0.1, 1), round(at, 1), round(at + 0.1, 1)} & found
    assert not second.done()
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
            until(lambda: "accepts no records" in scene.describe().get("StatusMessage", ""))
        began = time.monotonic()
        scene.rekognition.stop_stream_processor(Name=scene.name)
        working.result(PATIENCE)
        taken = time.monotonic() - began
        assert scene.describe()["Status"] == "STOPPED"
        print(f"{state}: stopped in {taken:.1f} s")
        assert taken < 20


def test_restarted_machine_makes_the_streams_of_active_processors_again(
    stage: Stage, scene: Scene, film: bytes
) -> None:
    """Streams in memory end with their process, but the next worker needs both streams."""
    resting = Scene(stage, "staff")
    for each in (scene, resting):
        each.video.delete_stream(StreamARN=each.video_arn)
        each.kinesis.delete_stream(StreamName=each.name)
    stream_workforce.restore_streams("http://127.0.0.1:1")
    with pytest.raises(scene.video.exceptions.ResourceNotFoundException):
        scene.video.describe_stream(StreamARN=scene.video_arn)
    for _ in range(2):
        stream_workforce.restore_streams(stage.url)
    working = stage.work(scene.name)
    scene.push(film, pace=False)
    scene.collect(frames(5 * SECONDS))
    with pytest.raises(resting.kinesis.exceptions.ResourceNotFoundException):
        resting.kinesis.describe_stream_summary(StreamName=resting.name)
    end(scene)
    working.result(PATIENCE)
