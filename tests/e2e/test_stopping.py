"""``facedex up`` stops within seconds, in spite of hanging clients, database and other services."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli.push.session import PutMedia
from facedex_local.postgres.cluster import Postgres
from tests.conftest import Server
from tests.e2e.films import Studio, moving
from tests.media import kinesis
from tests.media.kinesis import CREDENTIALS, REGION, matroska
from tests.processes import children

CLIENTS = 40  # more than twice the number of the server's threads
WORKER = "facedex_local.workers.__main__"
BOUND = 45.0  # seconds: detects a hang even on a busy machine
_ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=CLIENTS)


def stop(server: Server) -> int:
    server.process.terminate()
    try:
        return server.process.wait(BOUND)
    except subprocess.TimeoutExpired:
        server.process.kill()
        raise


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Return a stack that closes the test's connections after the server has stopped."""
    with ExitStack() as stack:
        yield stack


def in_background(held: ExitStack, ask: Callable[[], object], count: int = CLIENTS) -> None:
    """Send requests from many threads, and ignore the results."""

    def attempt() -> None:
        try:
            ask()
        except (BotoCoreError, ClientError):
            return

    threads = [threading.Thread(target=attempt, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
        held.callback(thread.join)


def connect(server: Server, held: ExitStack, data: bytes) -> None:
    address = urlsplit(server.url)
    for _ in range(CLIENTS):
        client = socket.create_connection((address.hostname, address.port), timeout=10)
        held.enter_context(client).sendall(data)


def test_server_stops_within_seconds_while_clients_hold_connections(
    launch: Callable[..., Server], held: ExitStack
) -> None:
    server = launch()
    connect(server, held, b"")
    connect(server, held, b"POST / HTTP/1.1\r\nHost: localhost\r\n")
    connect(server, held, b"PUT /a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nhalf")
    assert stop(server) == 0


def test_server_stops_within_seconds_while_clients_read_nothing(
    launch: Callable[..., Server], held: ExitStack
) -> None:
    server = launch()
    s3 = server.client("s3", config=_ONCE)
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="large", Body=bytes(32 << 20))
    connect(server, held, b"GET /photos/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert stop(server) == 0


def test_server_stops_within_seconds_while_media_flows_without_end(
    launch: Callable[..., Server], held: ExitStack
) -> None:
    server = launch()
    header, clusters = matroska(kinesis.numbered_film(), start=1_700_000_000_000)
    video = server.client("kinesisvideo")
    media = server.client("kinesis-video-media", config=_ONCE)
    for number in range(4):
        name = f"camera-{number}"
        video.create_stream(StreamName=name, DataRetentionInHours=1)
        for kind in ("NOW", "EARLIEST"):
            reading = media.get_media(StreamName=name, StartSelector={"StartSelectorType": kind})
            held.enter_context(closing(reading["Payload"]))
        producer = held.enter_context(closing(PutMedia(server.url, name, CREDENTIALS, REGION)))
        list(producer.send(header + clusters[0] + clusters[1][: 100 * number]))
    assert stop(server) == 0


def test_server_stops_within_seconds_while_requests_wait_for_the_database(
    launch: Callable[..., Server], held: ExitStack
) -> None:
    server = launch()
    rekognition = server.client("rekognition", config=_ONCE)
    rekognition.create_collection(CollectionId="friends")
    other = held.enter_context(closing(psycopg.connect(Postgres(server.directory).url)))
    other.execute("LOCK TABLE collections IN ACCESS EXCLUSIVE MODE")
    in_background(held, rekognition.list_collections)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    count = 0
    while not count:
        row = other.execute(waiting).fetchone()
        count = row[0] if row else 0
    assert stop(server) == 0


def test_server_stops_within_seconds_while_requests_wait_for_s3(
    launch: Callable[..., Server], held: ExitStack
) -> None:
    silent = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=CLIENTS))
    server = launch(AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{silent.getsockname()[1]}")
    rekognition = server.client("rekognition", config=_ONCE)
    image: dict[str, Any] = {"S3Object": {"Bucket": "photos", "Name": "ann.jpg"}}
    in_background(held, lambda: rekognition.detect_faces(Image=image))
    held.enter_context(silent.accept()[0])
    assert stop(server) == 0


def test_server_stops_within_seconds_and_leaves_no_worker_while_its_workers_hang(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_VIDEO_WORKERS="2")
    studio = Studio(server, {})
    studio.start(studio.put("film.mp4", moving(portraits, "eileen")))
    workers: list[psutil.Process] = []
    while len(workers) < 2:
        workers = children(server.process.pid, WORKER)
    for worker in workers:
        worker.suspend()
    assert stop(server) == 0
    assert not any(worker.is_running() for worker in workers)
