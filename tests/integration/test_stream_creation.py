"""Creating stream processors through the front door: what is stored, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from facedex.runtime import services
from facedex.store import collections
from tests.integration.stream_requests import (
    ARN,
    DOOR,
    INPUT,
    OUTPUT,
    REGION,
    ROLE,
    endpoint,
    good,
    messages,
    named,
    refused,
    rows,
)

__all__ = ["endpoint", "messages"]

LABELS = {"ConnectedHome": {"Labels": ["PERSON"]}}
BUCKET = {"S3Destination": {"Bucket": "labels"}}


def test_processor_is_described_as_it_was_created() -> None:
    tags = {"site": "north"}
    created = good(
        "CreateStreamProcessor",
        **named(
            Settings={"FaceSearch": {"CollectionId": "staff", "FaceMatchThreshold": 99.5}},
            DataSharingPreference={"OptIn": False},
            Tags=tags,
        ),
    )
    assert created == {"StreamProcessorArn": ARN}
    described = good("DescribeStreamProcessor", Name="door")
    made, updated = described.pop("CreationTimestamp"), described.pop("LastUpdateTimestamp")
    assert made == updated
    assert described == {
        "Name": "door",
        "StreamProcessorArn": ARN,
        "Status": "STOPPED",
        "Input": INPUT,
        "Output": OUTPUT,
        "RoleArn": ROLE,
        "Settings": {"FaceSearch": {"CollectionId": "staff", "FaceMatchThreshold": 99.5}},
        "DataSharingPreference": {"OptIn": False},
    }
    assert good("ListTagsForResource", ResourceArn=ARN) == {"Tags": tags}


@pytest.mark.parametrize(("given", "kept"), [({}, 80.0), ({"FaceMatchThreshold": 12.5}, 80.0)])
def test_threshold_below_eighty_becomes_eighty(given: dict[str, Any], kept: float) -> None:
    search = {"CollectionId": "staff", **given}
    good("CreateStreamProcessor", **named(Settings={"FaceSearch": search}))
    described = good("DescribeStreamProcessor", Name="door")
    assert described["Settings"]["FaceSearch"]["FaceMatchThreshold"] == kept
    assert "DataSharingPreference" not in described


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Settings": LABELS}, "Settings.ConnectedHome must be omitted"),
        ({"Settings": {**LABELS, **DOOR["Settings"]}}, "Settings.ConnectedHome must be omitted"),
        ({"Output": BUCKET}, "Output.S3Destination must be omitted"),
        ({"Output": {**BUCKET, **OUTPUT}}, "Output.S3Destination must be omitted"),
        ({"RegionsOfInterest": REGION}, "RegionsOfInterest must be omitted"),
        ({"KmsKeyId": "alias/labels"}, "KmsKeyId must be omitted"),
        (
            {"NotificationChannel": {"SNSTopicArn": "arn:aws:sns:us-east-1:123456789012:seen"}},
            "NotificationChannel must be omitted: the stream processors of this service",
        ),
        (
            {"KmsKeyId": "alias/labels", "RegionsOfInterest": REGION},
            "KmsKeyId and RegionsOfInterest must be omitted",
        ),
        ({"Settings": {}}, "Settings.FaceSearch is missing"),
        ({"Settings": {"FaceSearch": {}}}, "Settings.FaceSearch.CollectionId is missing"),
        ({"Input": {}}, "Input.KinesisVideoStream.Arn is missing"),
        ({"Input": {"KinesisVideoStream": {}}}, "Input.KinesisVideoStream.Arn is missing"),
        ({"Output": {}}, "Output.KinesisDataStream.Arn is missing"),
        (
            {"Settings": {"FaceSearch": {"CollectionId": "nowhere"}}},
            "The collection id: nowhere does not exist",
        ),
        (
            {"Input": {"KinesisVideoStream": {"Arn": "arn:aws:kinesisvideo:a:123456789012:x"}}},
            "which is not the ARN of a stream; such an ARN ends in stream/NAME/CREATED",
        ),
        (
            {"Output": {"KinesisDataStream": {"Arn": "arn:aws:kinesis:a:123456789012:stream/a/b"}}},
            "which is not the ARN of a stream; such an ARN ends in stream/NAME",
        ),
    ],
)
def test_settings_that_do_not_search_faces_are_refused(changes: dict[str, Any], words: str) -> None:
    code, message = refused("CreateStreamProcessor", **named(**changes))
    assert (code, words in message) == ("InvalidParameterException", True), message
    assert rows() == [[], []]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"Name": "a/b"}, "name"),
        ({"Name": ""}, "name"),
        ({"Name": "a" * 129}, "name"),
        ({"RoleArn": "facedex"}, "roleArn"),
        (
            {"Input": {"KinesisVideoStream": {"Arn": "arn:aws:s3:::film"}}},
            "input.kinesisVideoStream.arn",
        ),
        (
            {"Settings": {"FaceSearch": {"CollectionId": "staff", "FaceMatchThreshold": 101}}},
            "settings.faceSearch.faceMatchThreshold",
        ),
        ({"DataSharingPreference": {}}, "dataSharingPreference.optIn"),
        ({"Tags": {"aws:x": "y"}}, "tags"),
    ],
)
def test_request_that_violates_a_constraint_is_refused(changes: dict[str, Any], place: str) -> None:
    code, message = refused("CreateStreamProcessor", **named(**changes))
    assert (code, f"'{place}" in message) == ("ValidationException", True), message
    assert rows() == [[], []]


@pytest.mark.parametrize("member", ["Name", "Input", "Output", "Settings", "RoleArn"])
def test_missing_required_member_is_refused(member: str) -> None:
    without = {name: value for name, value in DOOR.items() if name != member}
    code, message = refused("CreateStreamProcessor", **without)
    assert (code, member.lower() in message.lower()) == ("ValidationException", True)


def test_collection_of_a_missing_model_pack_is_refused() -> None:
    with services.database().transaction() as connection:
        collections.create(connection, "old", "another-1")
    search = {"FaceSearch": {"CollectionId": "old"}}
    code, message = refused("CreateStreamProcessor", **named(Settings=search))
    assert (code, "another-1" in message) == ("InvalidParameterException", True)


def test_taken_name_and_processor_beyond_the_limit_are_refused() -> None:
    good("CreateStreamProcessor", **DOOR)
    before = rows()
    code, message = refused("CreateStreamProcessor", **DOOR)
    assert (code, "door" in message) == ("ResourceInUseException", True)
    assert rows() == before
    for number in range(4):
        good("CreateStreamProcessor", **named(Name=f"door{number}"))
    before = rows()
    code, message = refused("CreateStreamProcessor", **named(Name="another", Tags={"a": "b"}))
    assert (code, "at most 5 are allowed" in message) == ("LimitExceededException", True)
    assert rows() == before


def test_too_many_tags_create_no_processor() -> None:
    tags = {f"tag{number}": "x" for number in range(51)}
    code, message = refused("CreateStreamProcessor", **named(Tags=tags))
    assert (code, "50 tags" in message) == ("ServiceQuotaExceededException", True)
    assert rows() == [[], []]
