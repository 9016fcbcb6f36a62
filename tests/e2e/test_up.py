"""``facedex up`` as a user runs it: one command, one port, and faces that outlive the server."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from facedex_local.postgres.cluster import Postgres
from facedex_models.manifests import DEFAULT
from tests.conftest import Server, start

_NO_RETRIES = Config(retries={"max_attempts": 0}, connect_timeout=10, read_timeout=60)


@pytest.fixture
def directory(tmp_path: Path, pack_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a separate data directory for the test's servers."""
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    return tmp_path / "data"


@pytest.fixture
def launch(directory: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts servers on the test's directory; all are stopped at the end."""
    launched: list[Server] = []

    def launch(*arguments: str) -> Server:
        launched.append(Server(directory, *arguments))
        return launched[-1]

    yield launch
    for server in launched:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture
def own_server(launch: Callable[..., Server]) -> Server:
    return launch()


def health(url: str) -> tuple[int, dict[str, Any]]:
    answer = urllib3.request("GET", f"{url}/health", timeout=30)
    return answer.status, answer.json()


def processes_of(directory: Path) -> list[str]:
    listed = subprocess.run(
        ["ps", "-axww", "-o", "command="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(directory) in line]


def postgres_of(directory: Path) -> int:
    return int((directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def face_ids(client: Any, collection: str) -> set[str]:
    pages = client.get_paginator("list_faces").paginate(CollectionId=collection)
    return {face["FaceId"] for page in pages for face in page["Faces"]}


def test_health_reports_the_state_of_every_part(server: Server) -> None:
    status, report = health(server.url)
    assert status == 200
    assert report["status"] == report["database"] == "ok"
    assert report["models"] == report["packs"][DEFAULT] == "7.1"
    assert report["version"]


def test_s3_answers_on_the_same_port(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="photos")
    key = "a folder/bü%2F+1.jpg"
    s3.put_object(Bucket="photos", Key=key, Body=b"photo", Metadata={"taken_by": "ann"})
    stored = s3.get_object(Bucket="photos", Key=key)
    assert stored["Body"].read() == b"photo"
    assert stored["Metadata"] == {"taken_by": "ann"}
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="photos")["Contents"]] == [key]
    large = os.urandom(20_000_000)
    s3.upload_fileobj(io.BytesIO(large), "photos", "large")
    assert s3.get_object(Bucket="photos", Key="large")["Body"].read() == large


def test_a_chunked_upload_leaves_the_connection_usable(server: Server) -> None:
    server.client("s3").create_bucket(Bucket="chunks")
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        answers = connection.makefile("rb")
        connection.sendall(
            b"PUT /chunks/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\n\r\n"
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        text = answers.read().decode()
    assert text.count("HTTP/1.1 200 OK") == 2
    assert '"status": "ok"' in text


def test_other_services_answer_on_the_same_port(server: Server) -> None:
    sqs = server.client("sqs")
    queue = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "hello"


def test_an_oversized_request_is_answered_and_not_cut_off(server: Server) -> None:
    client = server.client("rekognition", config=Config(parameter_validation=False))
    with pytest.raises(ClientError) as refused:
        client.detect_faces(Image={"Bytes": bytes(20_000_000)})
    assert refused.value.response["Error"]["Code"] == "RequestEntityTooLargeException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert client.list_collections()["ResponseMetadata"]["RetryAttempts"] == 0


def test_more_requests_that_read_s3_than_threads_do_not_wait_for_each_other(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    running = launch("--port=0", "--threads=2")
    s3 = running.client("s3")
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="eileen.png", Body=portraits["eileen"])
    rekognition = running.client("rekognition", config=_NO_RETRIES)

    def detect(_number: int) -> int:
        image = {"S3Object": {"Bucket": "photos", "Name": "eileen.png"}}
        return len(rekognition.detect_faces(Image=image)["FaceDetails"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(detect, range(8))) == [1] * 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_and_no_process_is_left(
    own_server: Server, directory: Path, number: signal.Signals
) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the signal is ignored here, as under nohup, and so is it by the server")
    assert processes_of(directory)
    own_server.process.send_signal(number)
    assert own_server.process.wait(60) == 0
    assert processes_of(directory) == []


def test_a_signal_while_it_starts_leaves_no_process(directory: Path) -> None:
    process = start(directory, log=directory.with_suffix(".log"))
    # The first visible effect of a start, long before the server is ready.
    while not (directory / "running.json").exists():
        assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 0
    assert processes_of(directory) == []


def test_every_acknowledged_face_survives_a_kill(
    own_server: Server,
    launch: Callable[..., Server],
    directory: Path,
    portraits: dict[str, bytes],
) -> None:
    client = own_server.client("rekognition", config=_NO_RETRIES)
    client.create_collection(CollectionId="staff")
    acknowledged: set[str] = set()
    some = threading.Event()

    def index() -> None:
        for number in range(1000):
            try:
                answer = client.index_faces(
                    CollectionId="staff",
                    Image={"Bytes": portraits["grace"]},
                    ExternalImageId=f"copy-{number}",
                )
            except Exception:  # the server is being killed
                return
            acknowledged.update(record["Face"]["FaceId"] for record in answer["FaceRecords"])
            if number == 3:
                some.set()

    writer = threading.Thread(target=index)
    writer.start()
    assert some.wait(60)
    own_server.process.kill()
    own_server.process.wait()
    writer.join()
    again = launch()
    kept = face_ids(again.client("rekognition"), "staff")
    assert len(acknowledged) >= 4
    assert acknowledged <= kept
    assert again.stop() == 0
    assert processes_of(directory) == []


def test_a_killed_database_comes_back_without_a_restart(
    own_server: Server, directory: Path, portraits: dict[str, bytes]
) -> None:
    client = own_server.client(
        "rekognition", config=Config(retries={"max_attempts": 10, "mode": "standard"})
    )
    client.create_collection(CollectionId="staff")
    indexed = client.index_faces(CollectionId="staff", Image={"Bytes": portraits["grace"]})
    os.kill(postgres_of(directory), signal.SIGKILL)
    expected = {record["Face"]["FaceId"] for record in indexed["FaceRecords"]}
    assert face_ids(client, "staff") == expected
    # Each request that meets a connection of the killed database removes it from the pool.
    assert any(health(own_server.url)[0] == 200 for _ in range(16))


def test_a_database_outage_is_reported_and_recovered_from(
    launch: Callable[..., Server], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    postgres = Postgres(elsewhere)
    running = launch("--port=0", f"--database-url={postgres.start()}")
    client = running.client("rekognition", config=Config(retries={"max_attempts": 1}))
    client.create_collection(CollectionId="staff")
    client.index_faces(CollectionId="staff", Image={"Bytes": portraits["grace"]})
    before = face_ids(client, "staff")
    postgres.stop()
    status, report = health(running.url)
    assert status == 503
    assert report["status"] == "down"
    assert report["database"].startswith("down: ")
    with pytest.raises(ClientError) as refused:
        client.list_faces(CollectionId="staff")
    error = refused.value.response["Error"]
    metadata = refused.value.response["ResponseMetadata"]
    assert error["Code"] == "InternalServerError"
    assert "The database did not answer" in error["Message"]
    assert "try again" in error["Message"]
    assert metadata["HTTPStatusCode"] == 500
    assert metadata["RetryAttempts"] == 1
    again = Postgres(elsewhere)
    again.start()
    try:
        assert face_ids(client, "staff") == before
        assert health(running.url)[0] == 200
    finally:
        running.stop()
        again.stop()


def test_a_second_start_on_the_same_directory_is_refused(
    own_server: Server, directory: Path, tmp_path: Path
) -> None:
    log = tmp_path / "second.log"
    with start(directory, log=log) as second:
        assert second.wait(60) == 1
    assert log.read_text() == (
        f"Error: facedex is already running on {directory} (process {own_server.process.pid}, "
        f"{own_server.url}); stop it first, or choose another directory with --data-dir.\n"
    )
    assert health(own_server.url)[0] == 200


def test_a_port_that_is_taken_is_named(directory: Path) -> None:
    log = directory.with_suffix(".log")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(directory, f"--port={port}", log=log) as process:
            assert process.wait(60) == 1
    assert log.read_text() == (
        f"Error: Port {port} on 127.0.0.1 cannot be used (address already in use); "
        "choose another with --port, or any free one with --port 0.\n"
    )
    assert processes_of(directory) == []


def test_an_unreachable_external_database_is_named_in_the_error(directory: Path) -> None:
    log = directory.with_suffix(".log")
    url = "postgresql://ann:secret@127.0.0.1:1/faces"
    with start(directory, "--port=0", f"--database-url={url}", log=log) as process:
        assert process.wait(60) == 1
    said = log.read_text()
    assert said.startswith("Error: Cannot connect to the database of --database-url: ")
    assert len(said.splitlines()) == 1
    assert "secret" not in said


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        # The server pulls it again, which fails without a network.
        ("detector.onnx", "Error: pip could not download "),
        ("calibration.toml", "Error: The calibration "),
    ],
)
def test_a_damaged_pack_is_reported_in_one_sentence(
    directory: Path,
    pack_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    sentence: str,
) -> None:
    models = directory.with_name("models")
    pack = shutil.copytree(pack_directory, models / pack_directory.name)
    (pack / file).write_bytes(b"damaged")
    monkeypatch.setenv("FACEDEX_MODELS", str(models))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    log = directory.with_suffix(".log")
    with start(directory, "--port=0", log=log) as process:
        assert process.wait(60) == 1
    *_, last = log.read_text().splitlines()
    assert last.startswith(sentence)
    assert "Traceback" not in log.read_text()


def test_the_log_names_requests_and_no_secrets(own_server: Server) -> None:
    own_server.client("rekognition").list_collections()
    s3 = own_server.client("s3")
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="k", Body=b"body of the object")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "k"})
    assert urllib3.request("GET", url).status == 200
    assert own_server.stop() == 0
    log = own_server.log.read_text()
    assert " POST / ListCollections 200 " in log
    assert " PUT /photos/k s3 200 " in log
    for secret in ("testing", "Signature", "body of the object"):
        assert secret not in log
