"""Concurrent calls of all kinds to one collection leave consistent records."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from tests.e2e.consistency import contradictions, orphans

if TYPE_CHECKING:
    from tests.conftest import Server
    from tests.e2e.tables import Tables

CLIENTS = 8
CALLS = 60
USERS = tuple(f"user-{number}" for number in range(4))

# Errors that a client can get if another client was faster.
LATE = {
    "ConflictException",
    "InvalidParameterException",
    "ResourceAlreadyExistsException",
    "ResourceNotFoundException",
}


@pytest.fixture(scope="module")
def photo(portraits: dict[str, bytes]) -> bytes:
    picture = Image.open(io.BytesIO(portraits["grace"])).convert("RGB")
    picture.thumbnail((240, 240))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Client:
    """One of the clients; it records the outcomes of its calls.

    Attributes:
        answered: the operations that succeeded.
        refused: the error codes of operations that failed, with the HTTP status.
    """

    def __init__(self, server: Server, collection: str, photo: bytes, seed: int) -> None:
        # No retries, so that every response is recorded.
        config = Config(retries={"total_max_attempts": 1}, read_timeout=120)
        self._rekognition = server.client("rekognition", config=config)
        self._collection = collection
        self._photo = photo
        self._random = Random(seed)
        self.answered: set[str] = set()
        self.refused: list[tuple[str, int]] = []

    def ask(self, operation: str, **members: Any) -> dict[str, Any]:
        try:
            answer = getattr(self._rekognition, operation)(CollectionId=self._collection, **members)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            self.refused.append((error.response["Error"]["Code"], status))
            return {}
        self.answered.add(operation)
        return dict(answer)

    def work(self) -> None:
        for number in range(CALLS):
            listed = self.ask("list_faces", MaxResults=60).get("Faces", [])
            faces = [face["FaceId"] for face in listed] or [str(uuid4())]
            some = self._random.sample(faces, min(6, len(faces)))
            user = self._random.choice(USERS)
            match self._random.randrange(10):
                case 0 | 1 | 2:
                    self.ask(
                        "index_faces",
                        Image={"Bytes": self._photo},
                        ExternalImageId=str(self._random.randrange(40)),
                    )
                case 3 | 4:
                    self.ask("create_user", UserId=user)
                    self.ask("associate_faces", UserId=user, FaceIds=some, UserMatchThreshold=0)
                case 5:
                    self.ask("disassociate_faces", UserId=user, FaceIds=some)
                case 6:
                    self.ask("delete_faces", FaceIds=some[:2])
                case 7:
                    self.ask("delete_user", UserId=user)
                case 8:
                    self.ask("search_faces", FaceId=some[0])
                    self.ask("search_users", UserId=user)
                case _:
                    if number % 3 == 0:
                        self.ask("delete_collection")
                    self.ask("create_collection", Tags={"weather": "storm"})


def test_tables_are_consistent_after_concurrent_recreation_of_the_collection(
    server: Server, tables: Tables, photo: bytes
) -> None:
    name = f"storm-{uuid4().hex}"
    clients = [Client(server, name, photo, seed) for seed in range(CLIENTS)]
    clients[0].ask("create_collection")
    logged = len(server.log.read_text())
    with ThreadPoolExecutor(CLIENTS) as threads:
        for done in [threads.submit(client.work) for client in clients]:
            done.result()

    refused = [each for client in clients for each in client.refused]
    log = server.log.read_text()[logged:]
    assert [each for each in refused if each[1] >= 500] == [], log
    assert {code for code, _ in refused} <= LATE, log
    assert "Traceback" not in log
    # Otherwise the calls were not concurrent.
    answered = set().union(*(client.answered for client in clients))
    assert answered >= {
        *("index_faces", "associate_faces", "disassociate_faces", "delete_faces", "delete_user"),
        *("search_faces", "search_users", "delete_collection", "create_collection"),
    }

    # Two concurrent deletions may each skip the rows that the other deletes.
    deadline = time.monotonic() + 60
    while (found := orphans(tables)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == []
    assert list(contradictions(tables)) == []
    clients[0].ask("delete_collection")
