"""Requests of any kind get a response or a modelled error, and change nothing if refused.

Valid and nearly valid requests, made from the service model's shapes, for every operation.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from facedex.api.catalog import OPERATIONS
from tests.e2e import shaped
from tests.e2e.films import Studio, moving
from tests.e2e.modelled import known_errors
from tests.e2e.streaming import Scene, definition, processors, remove

if TYPE_CHECKING:
    from tests.conftest import Server
    from tests.e2e.tables import Tables

EXAMPLES = 90


class Gallery:
    """A collection with two faces, two users, a tag and a stream processor that is not running.

    It also has a connection to the database, to check the tables.
    """

    def __init__(self, server: Server, photos: dict[str, bytes], jobs: dict[str, str]) -> None:
        address = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=60
        )
        self._photos = photos
        self.collection = f"fuzz-{uuid4().hex}"
        self.arn = f"arn:aws:rekognition:us-east-1:123456789012:collection/{self.collection}"
        self.names = {"@collection": self.collection, "@arn": self.arn, **jobs}
        for name, photo in photos.items():
            self.names[f"@photo:{name}"] = base64.b64encode(photo).decode()

    def ask(self, operation: str, members: Any) -> tuple[int, dict[str, Any]]:
        self._connection.request(
            "POST",
            "/",
            body=json.dumps(members),
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"RekognitionService.{operation}",
            },
        )
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def good(self, operation: str, **members: Any) -> dict[str, Any]:
        status, answer = self.ask(operation, members)
        assert status == 200, answer
        return answer

    def fill(self) -> None:
        here = {"CollectionId": self.collection}
        self.good("CreateCollection", **here, Tags={"team": "flight"})
        for number, photo in enumerate(("face", "mirrored")):
            image = {"Bytes": base64.b64encode(self._photos[photo]).decode()}
            records = self.good("IndexFaces", **here, Image=image, MaxFaces=1)["FaceRecords"]
            self.names[f"@face:{number}"] = records[0]["Face"]["FaceId"]
            self.names[f"@user:{number}"] = f"user-{number}"
            self.good("CreateUser", **here, UserId=f"user-{number}")
        face = [self.names["@face:0"]]
        self.good("AssociateFaces", **here, UserId="user-0", FaceIds=face)
        processor = f"{self.collection}-{uuid4().hex}"
        made = self.good("CreateStreamProcessor", **definition(processor, self.collection))
        self.names["@processor:idle"] = processor
        self.names["@arn:processor"] = made["StreamProcessorArn"]

    def exists(self) -> bool:
        status, _ = self.ask("DescribeCollection", {"CollectionId": self.collection})
        return status == 200

    def put_names(self, document: Any) -> Any:
        if isinstance(document, dict):
            return {name: self.put_names(value) for name, value in document.items()}
        if isinstance(document, list):
            return [self.put_names(value) for value in document]
        if document == "@new":
            return f"new-{uuid4().hex}"
        return self.names.get(document, document) if isinstance(document, str) else document

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def photos(portraits: dict[str, bytes]) -> dict[str, bytes]:
    def encoded(picture: Image.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    face = Image.open(io.BytesIO(portraits["grace"])).convert("RGB")
    face.thumbnail((320, 320))
    return {
        "face": encoded(face),
        "mirrored": encoded(ImageOps.mirror(face)),
        "blank": encoded(Image.new("RGB", (90, 90), "steelblue")),
        "cut": encoded(face)[:5000],
        "tiny": encoded(Image.new("RGB", (1, 1))),
        "text": b"not a photo",
    }


@pytest.fixture(scope="module", autouse=True)
def traces(server: Server) -> Iterator[None]:
    """Remove everything that was created, and check that no traceback was logged."""
    client = server.client("rekognition")
    before = set(client.list_collections()["CollectionIds"])
    processors_before = processors(server)
    logged = len(server.log.read_text())
    yield
    remove(server, processors(server) - processors_before)
    for made in set(client.list_collections()["CollectionIds"]) - before:
        client.delete_collection(CollectionId=made)
    assert "Traceback" not in server.log.read_text()[logged:]


@pytest.fixture(scope="module")
def jobs(server: Server, portraits: dict[str, bytes]) -> dict[str, str]:
    """Return things that exist during all requests, by the names that the requests use.

    These are a video, a completed job of each kind on it, and a running stream processor.
    """
    studio = Studio(server, portraits)
    video = studio.put("film", moving(portraits, "grace", seconds=1))
    search = studio.start(video)
    faces = studio.rekognition.start_face_detection(Video=video)["JobId"]
    assert studio.wait(search)["JobStatus"] == "SUCCEEDED"
    assert studio.wait(faces, "get_face_detection")["JobStatus"] == "SUCCEEDED"
    scene = Scene(server, studio.name)
    scene.start()
    return {
        "@bucket": studio.name,
        "@film": "film",
        "@job:search": search,
        "@job:faces": str(faces),
        "@processor:running": scene.name,
    }


@pytest.fixture
def gallery(server: Server, photos: dict[str, bytes], jobs: dict[str, str]) -> Iterator[Gallery]:
    filled = Gallery(server, photos, jobs)
    filled.fill()
    yield filled
    filled.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_any_request_is_answered_or_refused_without_a_traceback(
    gallery: Gallery, tables: Tables, operation: str
) -> None:
    known = known_errors(operation)
    before = tables.digests()
    answered = refused = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        nonlocal before, answered, refused
        members = gallery.put_names(data.draw(shaped.requests(operation)))
        status, answer = gallery.ask(operation, members)
        after = tables.digests()
        if status == 200:
            answered += 1
            if after != before and not gallery.exists():
                gallery.fill()  # a request may have deleted it
                after = tables.digests()
        else:
            refused += 1
            assert 400 <= status < 500, answer
            assert set(answer) == {"__type", "Code", "Logref", "Message"}
            assert answer["__type"] in known
            assert answer["Message"]
            assert after == before
        before = after

    ask()
    # Otherwise the requests would not test the operation.
    assert answered
    assert refused
