"""Regions are separate namespaces: each operation sees only what was made in its own region."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from facedex.api.catalog import OPERATIONS
from facedex.api.openapi.examples import PARAMETERS, REQUESTS
from facedex_cli.push.session import PutMedia
from tests.conftest import Server
from tests.e2e.films import Studio, moving
from tests.e2e.streaming import Scene, until
from tests.e2e.streaming import names as seen
from tests.media.kinesis import CREDENTIALS

HERE, THERE = "us-east-1", "eu-west-1"
# Operations that use no name; every other one must be refused from another region.
NAMELESS = {"CreateCollection", "DetectFaces", "CompareFaces", "StartFaceDetection"}
LISTS = {"ListCollections": "CollectionIds", "ListStreamProcessors": "StreamProcessors"}


def refusal(client: Any, operation: str, request: Mapping[str, Any]) -> tuple[str, str]:
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    with pytest.raises(ClientError) as caught:
        getattr(client, method)(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture(scope="module")
def there(server: Server) -> Any:
    return server.client("rekognition", region_name=THERE)


@pytest.fixture(scope="module")
def made(server: Server, portraits: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    """Make one of everything that has a name, in one region; return the names by member."""
    studio = Studio(server, portraits)
    here, name = studio.rekognition, studio.name
    face = here.list_faces(CollectionId=name)["Faces"][0]["FaceId"]
    here.create_user(CollectionId=name, UserId="eileen")
    here.associate_faces(CollectionId=name, UserId="eileen", FaceIds=[face])
    watch = {**REQUESTS["CreateStreamProcessor"], "Name": name}
    settings = {"FaceSearch": {"CollectionId": name}}
    here.create_stream_processor(**{**watch, "Settings": settings})
    film = studio.put("film.mp4", moving(portraits, *list(portraits)[:1], seconds=1))
    yield {
        "CollectionId": name,
        "FaceId": face,
        "UserId": "eileen",
        "Name": name,
        "FaceIds": [face],
        "Image": {"Bytes": next(iter(portraits.values()))},
        "Video": film,
        "StartFaceSearch": studio.start(film),
        "StartFaceDetection": here.start_face_detection(Video=film)["JobId"],
        "ResourceArn": here.describe_collection(CollectionId=name)["CollectionARN"],
    }
    here.delete_stream_processor(Name=name)
    here.delete_collection(CollectionId=name)


def request_of(operation: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid request for what was made."""
    row = OPERATIONS[operation]
    names = re.findall(r"{(\w+)}", row.path)
    request = {**{name: PARAMETERS[name] for name in names}, **REQUESTS.get(operation, {})}
    request |= {name: value for name, value in made.items() if name in request}
    if "JobId" in request:
        request["JobId"] = made[operation.replace("Get", "Start")]
    if "ResourceArn" in request and operation == "UntagResource":
        request["TagKeys"] = ["team"]
    if operation == "CreateStreamProcessor":
        request |= {"Name": f"other-{uuid4().hex}"}
        request["Settings"] = {"FaceSearch": {"CollectionId": made["CollectionId"]}}
    return request


@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - NAMELESS - set(LISTS)))
def test_every_operation_refuses_the_names_of_another_region(
    operation: str, made: dict[str, Any], there: Any
) -> None:
    code, message = refusal(there, operation, request_of(operation, made))
    if operation == "CreateStreamProcessor":
        # The service model has no ResourceNotFoundException for it.
        assert code == "InvalidParameterException"
        assert "does not exist" in message
    else:
        assert code == "ResourceNotFoundException", message


@pytest.mark.parametrize("operation", LISTS)
def test_lists_contain_only_their_region(
    operation: str, made: dict[str, Any], there: Any, server: Server
) -> None:
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    here = server.client("rekognition")
    assert made["CollectionId"] in str(getattr(here, method)()[LISTS[operation]])
    assert made["CollectionId"] not in str(getattr(there, method)()[LISTS[operation]])


def test_processor_arn_of_another_region_is_not_found(made: dict[str, Any], there: Any) -> None:
    arn = made["ResourceArn"].replace(":collection/", ":streamprocessor/")
    assert refusal(there, "ListTagsForResource", {"ResourceArn": arn})[0] == (
        "ResourceNotFoundException"
    )
    moved = made["ResourceArn"].replace(HERE, THERE)
    assert refusal(there, "ListTagsForResource", {"ResourceArn": moved})[0] == (
        "ResourceNotFoundException"
    )


def test_same_name_in_two_regions_is_two_collections(
    made: dict[str, Any], there: Any, server: Server, portraits: dict[str, bytes]
) -> None:
    here, name = server.client("rekognition"), made["CollectionId"]
    arn = there.create_collection(CollectionId=name, Tags={"site": "west"})["CollectionArn"]
    assert arn == f"arn:aws:rekognition:{THERE}:123456789012:collection/{name}"
    assert there.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"site": "west"}
    assert here.list_tags_for_resource(ResourceArn=made["ResourceArn"])["Tags"] == {}
    (_, (key, photo), *_) = portraits.items()
    indexed = there.index_faces(
        CollectionId=name, Image={"Bytes": photo}, ExternalImageId=key, MaxFaces=1
    )
    (stored,) = indexed["FaceRecords"]
    assert stored["Face"]["FaceId"] not in str(here.list_faces(CollectionId=name)["Faces"])
    assert there.describe_collection(CollectionId=name)["FaceCount"] == 1
    # The person who is in one region's collection only is not found in the other's.
    (first, *_) = portraits.values()
    found = {
        region: client.search_faces_by_image(CollectionId=name, Image={"Bytes": first})
        for region, client in ((HERE, here), (THERE, there))
    }
    assert found[HERE]["FaceMatches"][0]["Similarity"] > 99
    assert found[THERE]["FaceMatches"] == []
    users = there.search_users_by_image(CollectionId=name, Image={"Bytes": first})
    assert users["UserMatches"] == []
    there.delete_collection(CollectionId=name)
    assert here.describe_collection(CollectionId=name)["FaceCount"] == len(portraits)


def test_page_tokens_belong_to_a_region(server: Server, there: Any) -> None:
    here = server.client("rekognition")
    names = [f"page-{uuid4().hex}" for _ in range(2)]
    for client in (here, there):
        for name in names:
            client.create_collection(CollectionId=name)
    token = here.list_collections(MaxResults=1)["NextToken"]
    code, _ = refusal(there, "ListCollections", {"MaxResults": 1, "NextToken": token})
    assert code == "InvalidPaginationTokenException"
    for client in (here, there):
        for name in names:
            client.delete_collection(CollectionId=name)


def test_request_tokens_belong_to_a_region(
    server: Server, made: dict[str, Any], there: Any
) -> None:
    request = {"Video": made["Video"], "ClientRequestToken": uuid4().hex}
    here = server.client("rekognition")
    first = here.start_face_detection(**request)["JobId"]
    assert here.start_face_detection(**request)["JobId"] == first
    other = there.start_face_detection(**request)["JobId"]
    assert other != first
    assert there.start_face_detection(**request)["JobId"] == other
    assert refusal(here, "GetFaceDetection", {"JobId": other})[0] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("ap-south-2", "aws")],
)
def test_arns_have_the_partition_of_the_region(server: Server, region: str, partition: str) -> None:
    client, name = server.client("rekognition", region_name=region), f"part-{uuid4().hex}"
    arn = client.create_collection(CollectionId=name, Tags={"a": "b"})["CollectionArn"]
    assert arn == f"arn:{partition}:rekognition:{region}:123456789012:collection/{name}"
    assert client.describe_collection(CollectionId=name)["CollectionARN"] == arn
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"a": "b"}
    other = arn.replace(partition, "aws-iso", 1)
    assert refusal(client, "ListTagsForResource", {"ResourceArn": other})[0] == (
        "ResourceNotFoundException"
    )
    client.delete_collection(CollectionId=name)


class Elsewhere:
    """A server whose clients are those of another region."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def client(self, service: str, **options: Any) -> Any:
        return self.server.client(service, **{"region_name": THERE, **options})


class SceneElsewhere(Scene):
    """A processor and its streams in another region."""

    def open_producer(self) -> PutMedia:
        endpoint = self.video.get_data_endpoint(StreamARN=self.video_arn, APIName="PUT_MEDIA")
        return PutMedia(endpoint["DataEndpoint"], self.name, CREDENTIALS, THERE)


@pytest.fixture
def two_galleries(server: Server, there: Any, portraits: dict[str, bytes]) -> Iterator[str]:
    """Return the name of two collections: of the first person here, of the second there."""
    name = f"two-{uuid4().hex}"
    pairs = zip((server.client("rekognition"), there), portraits.items(), strict=True)
    for client, (key, photo) in pairs:
        client.create_collection(CollectionId=name)
        client.index_faces(
            CollectionId=name, Image={"Bytes": photo}, ExternalImageId=key, MaxFaces=1
        )
    yield name
    for client in (server.client("rekognition"), there):
        client.delete_collection(CollectionId=name)


def test_a_stream_of_a_region_is_searched_in_its_collection(
    server: Server, two_galleries: str, portraits: dict[str, bytes]
) -> None:
    scene = SceneElsewhere(Elsewhere(server), two_galleries)
    assert f":{THERE}:" in scene.video_arn
    assert f":{THERE}:" in scene.data_arn
    scene.start()
    scene.wait("RUNNING")
    live = {"g": "10", "bf": "0", "sc_threshold": "0"}
    scene.push(moving(portraits, *portraits, seconds=3, codec_options=live))
    records = scene.collect(lambda found: len(found) >= 10)
    _, second = portraits
    assert seen(records) == {second}
    scene.stop()
    scene.rekognition.delete_stream_processor(Name=scene.name)


def test_a_film_is_searched_in_the_collection_of_its_region(
    server: Server, there: Any, two_galleries: str, portraits: dict[str, bytes]
) -> None:
    studio = Studio(server, {})
    film = studio.put("both.mp4", moving(portraits, *portraits, seconds=1))
    for client, name in zip((server.client("rekognition"), there), portraits, strict=True):
        job = client.start_face_search(Video=film, CollectionId=two_galleries)["JobId"]
        until(partial(ended, client, job))
        persons = client.get_face_search(JobId=job)["Persons"]
        found = {
            match["Face"]["ExternalImageId"]
            for person in persons
            for match in person.get("FaceMatches", ())
        }
        assert found == {name}


def ended(client: Any, job: str) -> bool:
    return str(client.get_face_search(JobId=job)["JobStatus"]) != "IN_PROGRESS"


def run(server: Server, *arguments: str, **environment: str) -> str:
    """Run a command of ``facedex`` on the server's data directory; return its output."""
    inherited = {name: value for name, value in os.environ.items() if "REGION" not in name}
    done = subprocess.run(
        [
            Path(sys.executable).with_name("facedex"),
            *arguments,
            f"--data-dir={server.directory}",
        ],
        env={**inherited, **environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


def test_commands_use_the_region_of_the_option_or_the_environment(
    server: Server, there: Any, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    name = f"west-{uuid4().hex}"
    there.create_collection(CollectionId=name)
    for number, photo in enumerate(portraits.values()):
        (tmp_path / f"{number}.png").write_bytes(photo)
    for options, environment in (
        ((f"--region={THERE}",), {"AWS_REGION": HERE}),
        ((), {"AWS_REGION": THERE}),
        ((), {"AWS_DEFAULT_REGION": THERE}),
    ):
        assert name in run(server, "collections", "list", *options, **environment)
        run(server, "import", str(tmp_path), f"--collection={name}", *options, **environment)
    assert there.describe_collection(CollectionId=name)["FaceCount"] == len(portraits)
    elsewhere = run(server, "collections", "list")  # the server's region
    assert name not in elsewhere
    assert f"{THERE} (" in elsewhere
    assert "Collections of other regions" in elsewhere
    there.delete_collection(CollectionId=name)
