"""Every operation through the AWS SDK for JavaScript v3 (``javascript/story.js``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from facedex.api.catalog import OPERATIONS
from tests.e2e.films import moving
from tests.tools import npm_packages

if TYPE_CHECKING:
    from tests.conftest import Server

_SCRIPTS = Path(__file__).with_name("javascript")


@pytest.fixture(scope="module")
def installed() -> Path:
    """Return a folder with the SDK and the scripts."""
    folder = npm_packages(_SCRIPTS)
    shutil.copy(_SCRIPTS / "story.js", folder)
    return folder


@pytest.fixture(scope="module")
def story(
    server: Server,
    attributes_directory: Path,
    installed: Path,
    portraits: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[Any]]:
    """Return the responses of each operation, in the order of the calls."""
    folder = tmp_path_factory.mktemp("javascript")
    files = [folder / name for name in ("eileen", "grace", "film")]
    contents = (portraits["eileen"], portraits["grace"], moving(portraits, "eileen", seconds=1))
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    done = subprocess.run(
        ["node", "story.js", uuid4().hex, *map(str, files)],
        cwd=installed,
        # Ignore the AWS settings of this machine.
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        | {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    responses: dict[str, list[Any]] = defaultdict(list)
    for line in map(json.loads, done.stdout.splitlines()):
        responses[line["operation"]].append(line["output"] if "output" in line else line["error"])
    return dict(responses)


def test_the_test_calls_every_operation_of_the_catalog(story: dict[str, list[Any]]) -> None:
    assert set(story) - {"CreationTimestamp", "AttributesRead"} == set(OPERATIONS)


def test_javascript_finds_who_is_in_a_film(story: dict[str, list[Any]]) -> None:
    searched, detected = story["GetFaceSearch"][-1], story["GetFaceDetection"][-1]
    assert searched["JobStatus"] == detected["JobStatus"] == "SUCCEEDED"
    matches = [match for person in searched["Persons"] for match in person["FaceMatches"]]
    assert {match["Face"]["ExternalImageId"] for match in matches} == {"eileen"}
    assert detected["Faces"][0]["Timestamp"] == 0


def test_javascript_follows_a_stream_processor(story: dict[str, list[Any]]) -> None:
    (made,), (started,) = story["CreateStreamProcessor"], story["StartStreamProcessor"]
    described = story["DescribeStreamProcessor"][-1]
    assert described["StreamProcessorArn"] == made["StreamProcessorArn"]
    assert (described["Status"], started["SessionId"] != "") == ("STOPPED", True)
    assert described["DataSharingPreference"] == {"OptIn": False}
    listed = [
        each
        for page in story["ListStreamProcessors"][0]["pages"]
        for each in page["StreamProcessors"]
    ]
    assert {"Name": described["Name"], "Status": "RUNNING"} in listed


def test_javascript_reads_every_kind_of_value(story: dict[str, list[Any]]) -> None:
    made, described = story["CreateCollection"][0], story["DescribeCollection"][0]
    assert described["CollectionARN"] == made["CollectionArn"]
    assert story["CreationTimestamp"] == [{"date": True}]
    face = story["IndexFaces"][0]["FaceRecords"][0]["FaceDetail"]
    assert 0 < face["BoundingBox"]["Width"] < 1
    assert len(face["Landmarks"]) == 30  # it was requested with all attributes
    assert len(story["DetectFaces"][0]["FaceDetails"][0]["Landmarks"]) == 5
    assert story["ListTagsForResource"][0]["Tags"] == {"site": "north"}
    assert story["DetectFaces"][0]["$metadata"]["requestId"]


def test_javascript_reads_every_attribute_of_a_face(story: dict[str, list[Any]]) -> None:
    ((face,),) = story["AttributesRead"]
    assert face["low"] <= 35 <= face["high"]
    assert (face["gender"], face["emotion"], face["landmarks"]) == ("Female", "HAPPY", 30)
    assert face["values"] == [True, False, False, False, False, True, True, False]
    assert all(50 <= confidence <= 100 for confidence in face["confidences"])
    assert abs(face["roll"]) < 10
    assert abs(face["gaze"]) < 15


def test_javascript_paginators_go_through_every_page(story: dict[str, list[Any]]) -> None:
    (collections,), (faces,), (users,) = (
        story[f"List{kind}"][:1] for kind in ("Collections", "Faces", "Users")
    )
    listed = [name for page in collections["pages"] for name in page.get("CollectionIds", [])]
    arn = story["CreateCollection"][0]["CollectionArn"]
    assert arn.rpartition("/")[2] in listed
    assert all(len(page["Faces"]) <= 1 for page in faces["pages"])
    names = [face["ExternalImageId"] for page in faces["pages"] for face in page["Faces"]]
    assert sorted(names) == ["eileen", "grace"]
    ids = [user["UserId"] for page in users["pages"] for user in page["Users"]]
    assert sorted(ids) == ["eileen", "grace"]


def test_javascript_finds_people(story: dict[str, list[Any]]) -> None:
    eileen, grace = (
        answer["FaceRecords"][0]["Face"]["FaceId"] for answer in story["IndexFaces"][:2]
    )
    (by_photo,), (by_face,) = story["SearchFacesByImage"], story["SearchFaces"]
    assert [match["Face"]["FaceId"] for match in by_photo["FaceMatches"]] == [grace]
    assert [match["Face"]["FaceId"] for match in by_face["FaceMatches"]] == [grace]
    assert by_face["SearchedFaceId"] == eileen
    assert story["CompareFaces"][0]["FaceMatches"][0]["Similarity"] < 80
    (by_user,), (users,) = story["SearchUsers"], story["SearchUsersByImage"]
    assert [match["User"]["UserId"] for match in by_user["UserMatches"]] == ["eileen"]
    assert [match["User"]["UserId"] for match in users["UserMatches"]] == ["eileen"]
    assert [answer["UserStatus"] for answer in story["AssociateFaces"]] == ["ACTIVE", "ACTIVE"]
    assert story["DeleteFaces"][0]["DeletedFaces"] == [grace]


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("CreateCollection", "ResourceAlreadyExistsException"),
        ("IndexFaces", "InvalidImageFormatException"),
        ("ListFaces", "InvalidPaginationTokenException"),
        ("StopStreamProcessor", "ResourceInUseException"),
        ("DescribeCollection", "ResourceNotFoundException"),
    ],
)
def test_javascript_throws_modelled_errors(
    story: dict[str, list[Any]], operation: str, name: str
) -> None:
    error = story[operation][-1]
    assert (error["name"], error["modelled"], error["status"]) == (name, True, 400)
    assert error["message"]
