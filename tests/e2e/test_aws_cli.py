"""Every operation through the AWS CLI: one sequence of commands as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from facedex.api.catalog import OPERATIONS
from tests.e2e.films import PATIENCE, moving

if TYPE_CHECKING:
    from tests.conftest import Server


class Cli:
    """The ``aws`` command, configured for a server; it records every operation's responses.

    Attributes:
        answers: the responses of each operation, in the order of the calls.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.answers: dict[str, list[Any]] = defaultdict(list)
        self._command = str(Path(sys.executable).with_name("aws"))
        self._folder = folder
        # Ignore the AWS settings of this machine.
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        } | {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_DEFAULT_OUTPUT": "json",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def __call__(self, line: str) -> Any:
        """Run ``aws rekognition`` with the words of a line, and return its response."""
        answer = self.other("rekognition", line)
        name = "".join(map(str.capitalize, line.split()[0].split("-")))
        self.answers[name].append(answer)
        return answer

    def other(self, service: str, line: str) -> Any:
        """Run ``aws`` for another service, and return its response."""
        done = self.run(service, *line.split())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``aws``, and return its result even if it fails."""
        return subprocess.run(
            [self._command, *words],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def refused(self, line: str) -> str:
        """Run a command that must fail, and return its error message."""
        done = self.run("rekognition", *line.split())
        assert done.returncode != 0
        return done.stderr


@pytest.fixture(scope="module")
def cli(
    server: Server, portraits: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> Cli:
    folder = tmp_path_factory.mktemp("cli")
    for name, photo in portraits.items():
        (folder / f"{name}.jpg").write_bytes(photo)
    (folder / "film.mp4").write_bytes(moving(portraits, "eileen", seconds=1))
    return Cli(server.url, folder)


@pytest.fixture(scope="module")
def story(cli: Cli) -> dict[str, list[Any]]:
    """Call every operation in one sequence, and return the responses."""
    unique = uuid4().hex
    name, bucket = f"cli-{unique}", f"cli-{unique}"
    made = cli(f"create-collection --collection-id {name} --tags team=flight")
    cli(f"describe-collection --collection-id {name}")
    cli("list-collections --page-size 1")
    for words in (
        ("mb", f"s3://{bucket}"),
        ("cp", "grace.jpg", f"s3://{bucket}/a/grace.jpg"),
        ("cp", "film.mp4", f"s3://{bucket}/film.mp4"),
    ):
        assert cli.run("s3", *words).returncode == 0
    index = f"index-faces --collection-id {name} --max-faces 1 --quality-filter AUTO"
    eileen, grace = (
        cli(f"{index} {rest}")["FaceRecords"][0]["Face"]["FaceId"]
        for rest in (
            "--image-bytes fileb://eileen.jpg --external-image-id eileen"
            " --detection-attributes ALL",
            f"--image S3Object={{Bucket={bucket},Name=a/grace.jpg}} --external-image-id grace",
        )
    )
    cli("detect-faces --image-bytes fileb://eileen.jpg")
    cli(f"list-faces --collection-id {name} --page-size 1")
    first = cli(f"list-faces --collection-id {name} --max-items 1")
    cli(f"list-faces --collection-id {name} --starting-token {first['NextToken']}")
    cli(f"search-faces --collection-id {name} --face-id {eileen} --face-match-threshold 0")
    cli(f"search-faces-by-image --collection-id {name} --image-bytes fileb://grace.jpg")
    cli(
        "compare-faces --source-image-bytes fileb://grace.jpg"
        " --target-image-bytes fileb://eileen.jpg --similarity-threshold 0"
    )
    for user, face in (("eileen", eileen), ("grace", grace)):
        cli(f"create-user --collection-id {name} --user-id {user}")
        cli(f"associate-faces --collection-id {name} --user-id {user} --face-ids {face}")
    cli(f"list-users --collection-id {name} --page-size 1")
    cli(
        f"search-users --collection-id {name} --user-id grace --max-users 5"
        " --user-match-threshold 0"
    )
    cli(f"search-users-by-image --collection-id {name} --image-bytes fileb://eileen.jpg")
    cli(f"disassociate-faces --collection-id {name} --user-id grace --face-ids {grace}")
    cli(f"delete-user --collection-id {name} --user-id grace")
    cli(f"delete-faces --collection-id {name} --face-ids {grace} {uuid4()}")
    video = f"--video S3Object={{Bucket={bucket},Name=film.mp4}}"
    for kind, rest in (("search", f"--collection-id {name}"), ("detection", "")):
        job = cli(f"start-face-{kind} {video} {rest}")["JobId"]
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if cli(f"get-face-{kind} --job-id {job}")["JobStatus"] != "IN_PROGRESS":
                break
    arn = made["CollectionArn"]
    cli(f"tag-resource --resource-arn {arn} --tags site=north")
    cli(f"untag-resource --resource-arn {arn} --tag-keys team")
    cli(f"list-tags-for-resource --resource-arn {arn}")
    follow_a_stream(cli, name)
    cli(f"delete-collection --collection-id {name}")
    return {"name": [name], "faces": [eileen, grace], **cli.answers}


def follow_a_stream(cli: Cli, name: str) -> None:
    """Create, use and delete a stream processor and its streams, named like the collection."""
    video = cli.other("kinesisvideo", f"create-stream --stream-name {name}")["StreamARN"]
    cli.other("kinesis", f"create-stream --stream-name {name} --shard-count 1")
    data = cli.other("kinesis", f"describe-stream-summary --stream-name {name}")[
        "StreamDescriptionSummary"
    ]["StreamARN"]
    cli(
        f"create-stream-processor --name {name} --role-arn arn:aws:iam::123456789012:role/any"
        f" --input KinesisVideoStream={{Arn={video}}}"
        f" --stream-processor-output KinesisDataStream={{Arn={data}}}"
        f" --settings FaceSearch={{CollectionId={name},FaceMatchThreshold=85.5}}"
    )
    cli(f"start-stream-processor --name {name}")
    wait_for_processor(cli, name, "RUNNING")
    cli(f"update-stream-processor --name {name} --data-sharing-preference-for-update OptIn=false")
    cli("list-stream-processors --page-size 1")
    cli(f"stop-stream-processor --name {name}")
    wait_for_processor(cli, name, "STOPPED")
    cli(f"delete-stream-processor --name {name}")


def wait_for_processor(cli: Cli, name: str, status: str) -> None:
    end = time.monotonic() + PATIENCE
    while cli(f"describe-stream-processor --name {name}")["Status"] != status:
        assert time.monotonic() < end, f"it does not become {status}"


def test_the_test_calls_every_operation_of_the_catalog(story: dict[str, list[Any]]) -> None:
    assert set(story) - {"name", "faces"} == set(OPERATIONS)


def test_the_cli_finds_who_is_in_a_film(story: dict[str, list[Any]]) -> None:
    searched, detected = story["GetFaceSearch"][-1], story["GetFaceDetection"][-1]
    assert searched["JobStatus"] == detected["JobStatus"] == "SUCCEEDED"
    matches = [match for person in searched["Persons"] for match in person["FaceMatches"]]
    assert {match["Face"]["ExternalImageId"] for match in matches} == {"eileen"}
    assert detected["Faces"][0]["Timestamp"] == 0


def test_the_cli_follows_a_stream_processor(story: dict[str, list[Any]]) -> None:
    (name,), (made,) = story["name"], story["CreateStreamProcessor"]
    described = story["DescribeStreamProcessor"][-1]
    assert described["StreamProcessorArn"] == made["StreamProcessorArn"]
    assert described["Settings"]["FaceSearch"]["FaceMatchThreshold"] == 85.5
    assert described["DataSharingPreference"] == {"OptIn": False}
    assert story["StartStreamProcessor"][0]["SessionId"]
    (listed,) = story["ListStreamProcessors"]
    assert {"Name": name, "Status": "RUNNING"} in listed["StreamProcessors"]


def test_the_cli_makes_and_describes_a_collection(story: dict[str, list[Any]]) -> None:
    (made,), (described,), (name,) = (
        story[key] for key in ("CreateCollection", "DescribeCollection", "name")
    )
    assert made["StatusCode"] == 200
    assert described["CollectionARN"] == made["CollectionArn"]
    assert described["FaceCount"] == 0
    assert name in story["ListCollections"][0]["CollectionIds"]
    assert story["DeleteCollection"][0]["StatusCode"] == 200


def test_the_cli_indexes_files_and_s3_objects_and_lists_them_page_by_page(
    story: dict[str, list[Any]],
) -> None:
    local, stored = story["IndexFaces"]
    assert local["FaceRecords"][0]["Face"]["ExternalImageId"] == "eileen"
    assert stored["FaceRecords"][0]["Face"]["ExternalImageId"] == "grace"
    whole, first, rest = story["ListFaces"]
    assert {face["FaceId"] for face in whole["Faces"]} == set(story["faces"])
    assert [*first["Faces"], *rest["Faces"]] == whole["Faces"]
    assert len(first["Faces"]) == 1
    (detected,) = story["DetectFaces"]
    assert len(detected["FaceDetails"]) == 1


def test_the_cli_finds_people_by_face_by_photo_and_as_users(story: dict[str, list[Any]]) -> None:
    _, grace = story["faces"]
    (by_face,), (by_photo,) = story["SearchFaces"], story["SearchFacesByImage"]
    assert [match["Face"]["FaceId"] for match in by_face["FaceMatches"]] == [grace]
    assert [match["Face"]["FaceId"] for match in by_photo["FaceMatches"]] == [grace]
    assert by_photo["FaceMatches"][0]["Similarity"] > 99
    (compared,) = story["CompareFaces"]
    assert compared["FaceMatches"][0]["Similarity"] < 80
    assert [answer["UserStatus"] for answer in story["AssociateFaces"]] == ["ACTIVE", "ACTIVE"]
    (listed,), (user,), (photo,) = (
        story[key] for key in ("ListUsers", "SearchUsers", "SearchUsersByImage")
    )
    assert {each["UserId"] for each in listed["Users"]} == {"eileen", "grace"}
    assert [match["User"]["UserId"] for match in user["UserMatches"]] == ["eileen"]
    assert [match["User"]["UserId"] for match in photo["UserMatches"]] == ["eileen"]


def test_the_cli_disassociates_and_deletes_faces_and_removes_tags(
    story: dict[str, list[Any]],
) -> None:
    _, grace = story["faces"]
    (disassociated,), (deleted,) = story["DisassociateFaces"], story["DeleteFaces"]
    assert disassociated["UserStatus"] == "CREATED"
    assert deleted["DeletedFaces"] == [grace]
    assert deleted["UnsuccessfulFaceDeletions"][0]["Reasons"] == ["FACE_NOT_FOUND"]
    assert story["ListTagsForResource"] == [{"Tags": {"site": "north"}}]


@pytest.mark.parametrize(
    ("line", "code", "operation"),
    [
        (
            "describe-collection --collection-id nowhere",
            "ResourceNotFoundException",
            "DescribeCollection",
        ),
        ("create-collection --collection-id a/b", "ValidationException", "CreateCollection"),
        (
            "detect-faces --image S3Object={Bucket=no-such-bucket,Name=a}",
            "InvalidS3ObjectException",
            "DetectFaces",
        ),
        ("list-collections --starting-token forged", "InvalidPaginationToken", "ListCollections"),
    ],
)
def test_the_cli_reports_errors(cli: Cli, line: str, code: str, operation: str) -> None:
    message = cli.refused(line)
    assert f"({code}" in message
    assert f"when calling the {operation} operation: " in message
