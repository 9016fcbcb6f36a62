"""``facedex up --processes``: one port, one database, one S3, several interpreters."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

import psutil
import pytest
from botocore.config import Config

from facedex_cli.push.session import PutMedia
from tests.conftest import Server
from tests.media import kinesis
from tests.media.kinesis import CREDENTIALS, REGION, matroska, numbers

PROCESSES = 3
CLIENTS = 30
MODULE = "facedex_local.replica"
_ONE_CONNECTION = Config(max_pool_connections=1, retries={"total_max_attempts": 4})


@pytest.fixture
def running(launch: Callable[..., Server]) -> Server:
    return launch(FACEDEX_PROCESSES=str(PROCESSES))


def replicas(server: Server) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if MODULE in child.cmdline():
                found.append(child)
    return found


def answering(server: Server) -> set[int]:
    """Return the processes that have a client's connection to the server's port."""
    port = int(server.url.rpartition(":")[2])
    return {
        process.pid
        for process in (psutil.Process(server.process.pid), *replicas(server))
        for each in process.net_connections()
        if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port
    }


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def clients(server: Server, service: str, count: int = CLIENTS) -> list[Any]:
    return [server.client(service, config=_ONE_CONNECTION) for _ in range(count)]


def test_every_process_answers_clients_of_the_one_port(
    running: Server, portraits: dict[str, bytes]
) -> None:
    made = clients(running, "rekognition")
    made[0].create_collection(CollectionId="staff")
    made[1].index_faces(CollectionId="staff", Image={"Bytes": portraits["grace"]})
    for client in made:
        assert client.describe_collection(CollectionId="staff")["FaceCount"] == 1

    def all_answer() -> bool:
        made.extend(clients(running, "rekognition", 1))
        made[-1].list_collections()
        return len(answering(running)) == PROCESSES

    until(all_answer)  # a process that the machine has not run for a while gets no client
    image = {"S3Object": {"Bucket": "photos", "Name": "grace.png"}}
    storage = clients(running, "s3", 6)
    storage[0].create_bucket(Bucket="photos")
    for client in storage:
        client.put_object(Bucket="photos", Key="grace.png", Body=portraits["grace"])
        found = client.get_object(Bucket="photos", Key="grace.png")["Body"].read()
        assert found == portraits["grace"]
        assert client.head_object(Bucket="photos", Key="grace.png")["ContentLength"] == len(found)
    for client in made[:6]:
        assert len(client.detect_faces(Image=image)["FaceDetails"]) == 1


def test_media_flows_through_every_process(running: Server) -> None:
    video = running.client("kinesisvideo")
    header, clusters = matroska(kinesis.numbered_film(), start=1_700_000_000_000)
    for turn in range(2 * PROCESSES):
        name = f"camera-{turn}"
        video.create_stream(StreamName=name, DataRetentionInHours=1)
        producer = PutMedia(running.url, name, CREDENTIALS, REGION)
        said = list(producer.send(header + b"".join(clusters)))
        said += producer.finish()
        producer.close()
        assert [each.event for each in said].count("PERSISTED") == 3
        media = running.client("kinesis-video-media", config=_ONE_CONNECTION)
        start = {"StartSelectorType": "EARLIEST"}
        with media.get_media(StreamName=name, StartSelector=start)["Payload"] as payload:
            assert numbers(list(islice(kinesis.read(payload), 2))) == list(range(20))


def test_a_process_that_is_killed_is_started_again(running: Server) -> None:
    before = {each.pid for each in replicas(running)}
    assert len(before) == PROCESSES - 1
    for each in replicas(running):
        each.kill()
    client = running.client("rekognition", config=_ONE_CONNECTION)
    assert client.list_collections()["CollectionIds"] == []

    def restarted() -> bool:
        return len({each.pid for each in replicas(running)} - before) == PROCESSES - 1

    until(restarted)
    assert "ended with status -9" in running.log.read_text()


def test_a_stop_ends_every_process(running: Server) -> None:
    started = replicas(running)
    held = clients(running, "rekognition")
    for client in held:
        client.list_collections()
    assert running.stop() == 0
    assert not any(each.is_running() for each in started)


def test_killing_the_first_process_ends_the_others(
    running: Server, launch: Callable[..., Server]
) -> None:
    started = replicas(running)
    running.process.kill()
    running.process.wait()
    until(lambda: not any(each.is_running() for each in started))
    # The next start uses the Postgres that still runs after the kill, and stops it at its end.
    assert launch().stop() == 0
