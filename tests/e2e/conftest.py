"""Fixtures that several end-to-end tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.conftest import Server
from tests.e2e.films import Studio, moving
from tests.e2e.importer import Importer
from tests.e2e.keys import CACHE, Key, create_key
from tests.e2e.photos import Portraits
from tests.e2e.plain_http import Rest
from tests.e2e.tables import Tables

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


@pytest.fixture
def rest(server: Server) -> Iterator[Rest]:
    client = Rest(server.url)
    yield client
    client.close()


@pytest.fixture
def collection(rest: Rest) -> Iterator[str]:
    name = f"rest-{uuid4().hex}"
    rest.good("CreateCollection", CollectionId=name)
    yield name
    rest.good("DeleteCollection", CollectionId=name)


@pytest.fixture
def rekognition(server: Server) -> RekognitionClient:
    client: RekognitionClient = server.client("rekognition")
    return client


@pytest.fixture
def staff(rekognition: RekognitionClient, collection: str, portraits: Portraits) -> dict[str, str]:
    """Index both portraits, and return their FaceIds by name."""
    return {
        name: rekognition.index_faces(
            CollectionId=collection, Image={"Bytes": photo}, ExternalImageId=name
        )["FaceRecords"][0]["Face"]["FaceId"]
        for name, photo in portraits.items()
    }


@pytest.fixture(scope="session")
def tables(server: Server) -> Iterator[Tables]:
    opened = Tables(server)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def studio(server: Server, portraits: dict[str, bytes]) -> Studio:
    return Studio(server, portraits)


@pytest.fixture(scope="session")
def both(portraits: dict[str, bytes]) -> bytes:
    """Return a video of three seconds with both people."""
    return moving(portraits, *portraits)


@pytest.fixture(scope="session")
def found(studio: Studio, both: bytes) -> str:
    """Return a completed search of the video."""
    job_id = studio.start(studio.put("both.mp4", both), JobTag="lobby")
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "SUCCEEDED", answer
    return job_id


@pytest.fixture
def launch(
    tmp_path: Path, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Server]]:
    """Return a function that starts servers, one after another, on one data directory."""
    monkeypatch.setenv("FACEDEX_MODELS", str(pack_directory.parent))
    launched: list[Server] = []

    def launch(**environment: str) -> Server:
        launched.append(Server(tmp_path / "data", **environment))
        return launched[-1]

    yield launch
    for server in launched:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded") / "data"


@pytest.fixture(scope="module")
def early_key(directory: Path) -> Key:
    """Return a key that was created before the server's first start."""
    return create_key(directory, "--name=[early]\x1b bird at the door")


@pytest.fixture(scope="module")
def guarded(directory: Path, early_key: Key, pack_directory: Path) -> Iterator[Server]:
    """Return a running server with ``--auth keys`` that the tests of a file share."""
    running = Server(
        directory,
        "--port=0",
        "--auth=keys",
        FACEDEX_MODELS=str(pack_directory.parent),
        FACEDEX_KEYS_CACHE=str(CACHE),
    )
    yield running
    assert running.stop() == 0
    log = running.log.read_text()
    assert "Traceback" not in log
    assert "Signature" not in log
    assert early_key[1] not in log


@pytest.fixture(scope="module")
def key(guarded: Server, directory: Path) -> Key:
    """Return a key that was created while the server was running."""
    assert guarded.process.poll() is None
    return create_key(directory)


@pytest.fixture
def importer(server: Server, tmp_path: Path) -> Iterator[Importer]:
    made = Importer(server, tmp_path)
    yield made
    made.client.delete_collection(CollectionId=made.collection)
