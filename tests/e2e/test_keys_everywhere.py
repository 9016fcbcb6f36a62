"""``--auth keys`` for every service on the port, and the work behind it: uploads, films, streams.

Two server processes, so that requests reach the stand-ins directly and forwarded.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.e2e.films import Studio, moving, names
from tests.e2e.keys import Key, create_key, facedex
from tests.e2e.streaming import Scene
from tests.e2e.streaming import names as names_in
from tests.e2e.uploading import named_faces, wait_until
from tests.media import making

_USERS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Keyed:
    """A server and clients that sign with a key of it."""

    server: Server
    key: Key

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def log(self) -> Path:
        return self.server.log

    def client(self, service: str, **options: Any) -> Any:
        signing = {"aws_access_key_id": self.key[0], "aws_secret_access_key": self.key[1]}
        return self.server.client(service, **{**signing, **options})


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keyed") / "data"


@pytest.fixture(scope="module")
def keyed(directory: Path, pack_directory: Path) -> Iterator[Any]:
    """Return the server, whose own environment has credentials that it does not know."""
    key = create_key(directory)
    running = Server(
        directory,
        "--port=0",
        "--auth=keys",
        "--processes=2",
        FACEDEX_MODELS=str(pack_directory.parent),
        AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE",
        AWS_SECRET_ACCESS_KEY="foreign",
    )
    yield Keyed(running, key)
    own = (directory / "own.key").read_text()
    assert running.stop() == 0
    assert not (directory / "own.key").exists()
    log = running.log.read_text()
    assert "Traceback" not in log
    assert key[1] not in log
    assert own.partition(":")[2] not in log


@pytest.fixture(scope="module")
def reader(keyed: Any, directory: Path) -> Any:
    return Keyed(keyed.server, create_key(directory, "--read-only"))


@pytest.fixture(scope="module")
def studio(keyed: Any, portraits: dict[str, bytes]) -> Studio:
    return Studio(keyed, portraits)


def test_an_upload_is_indexed(keyed: Any, portraits: dict[str, bytes]) -> None:
    client = keyed.client("rekognition")
    client.create_collection(CollectionId="uploaded")
    s3 = keyed.client("s3")
    for name, photo in portraits.items():
        s3.put_object(Bucket="uploads", Key=f"uploaded/{name}.jpg", Body=photo)
    wait_until(lambda: set(named_faces(keyed, "uploaded")) == set(portraits))


def test_a_read_only_key_plants_no_upload(
    keyed: Any, reader: Any, portraits: dict[str, bytes]
) -> None:
    keyed.client("rekognition").create_collection(CollectionId="unplanted")
    target = {"Bucket": "uploads", "Key": "unplanted/eve.jpg"}
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.client("s3").put_object(**target, Body=portraits["grace"])
    answer = urllib3.request(
        "PUT", f"{keyed.url}/uploads/unplanted/eve.jpg", body=portraits["grace"]
    )
    assert (answer.status, b"<Code>AccessDenied</Code>" in answer.data) == (403, True)
    assert "Contents" not in reader.client("s3").list_objects_v2(
        Bucket="uploads", Prefix="unplanted/"
    )


def test_a_film_is_searched(studio: Studio, portraits: dict[str, bytes]) -> None:
    film = studio.put("both.mp4", moving(portraits, *portraits))
    answer = studio.wait(studio.start(film))
    assert answer["JobStatus"] == "SUCCEEDED", answer
    assert list(names(answer["Persons"]).values()) == [{name} for name in portraits]


def run(keyed: Any, directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user without credentials does."""
    command = [*words, f"--url={keyed.url}", f"--data-dir={directory}"]
    without = dict.fromkeys(_USERS, "")
    return facedex(*command, **without, AWS_EC2_METADATA_DISABLED="true")


def test_a_live_stream_is_pushed_by_the_command_and_searched(
    keyed: Any, studio: Studio, directory: Path, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    scene = Scene(keyed, studio.name)
    scene.start()
    scene.wait("RUNNING")
    codec = {"g": "10", "bf": "0", "sc_threshold": "0"}
    content = moving(portraits, *portraits, seconds=5, codec_options=codec)
    film = making.save(content, tmp_path / "film.mp4")
    pushed = run(keyed, directory, "stream", "push", str(film), f"--stream={scene.name}")
    assert pushed.returncode == 0, pushed.stderr
    assert names_in(scene.collect(lambda found: len(found) >= 20)) == set(portraits)
    scene.stop()


def test_an_import_of_the_same_user_needs_no_credentials(
    keyed: Any, directory: Path, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    for name, portrait in portraits.items():
        (tmp_path / f"{name}.jpg").write_bytes(portrait)
    command = ("import", str(tmp_path), "--collection=mine", "--create")
    imported = facedex(
        *command,
        f"--endpoint-url={keyed.url}",
        f"--data-dir={directory}",
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
        AWS_EC2_METADATA_DISABLED="true",
    )
    assert imported.returncode == 0, imported.stderr
    assert set(named_faces(keyed, "mine")) == set(portraits)


def test_the_own_key_is_the_owners_alone(keyed: Any, directory: Path) -> None:
    path = directory / "own.key"
    assert path.stat().st_mode & 0o777 == 0o600
    listed = facedex("keys", "list", f"--data-dir={directory}", COLUMNS="120")
    assert keyed.key[0] in listed.stdout
    assert path.read_text().partition(":")[0] not in listed.stdout


@pytest.mark.parametrize("service", ["s3", "sqs", "sns", "kinesis", "kinesisvideo"])
def test_any_other_credentials_are_refused_from_loopback_too(keyed: Any, service: str) -> None:
    operation = {
        "s3": "list_buckets",
        "sqs": "list_queues",
        "sns": "list_topics",
        "kinesis": "list_streams",
        "kinesisvideo": "list_streams",
    }[service]
    for number in range(4):  # either process may answer
        assert getattr(keyed.client(service), operation)()
        with pytest.raises(ClientError) as refused:
            getattr(keyed.server.client(service), operation)()
        assert refused.value.response["Error"]["Code"] in (
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        ), number


def test_the_private_port_answers_no_stranger(keyed: Any) -> None:
    listening = {
        each.laddr.port
        for each in psutil.Process(keyed.server.process.pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    private = listening - {int(keyed.url.rpartition(":")[2])}
    assert private
    for port in private:
        for headers in ({}, {"X-Facedex-Private": "x"}, {"X-Facedex-Forwarded": "x 127.0.0.1 ::1"}):
            address = f"http://127.0.0.1:{port}/uploads/planted"
            answer = urllib3.request("PUT", address, body=b"x", headers=headers)
            assert (answer.status, json.loads(answer.data)["__type"]) == (
                403,
                "AccessDeniedException",
            )
        with pytest.raises(ClientError, match="403"):
            keyed.server.client("s3", endpoint_url=f"http://127.0.0.1:{port}").list_buckets()
