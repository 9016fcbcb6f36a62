from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from facedex.api import errors
from facedex.api.arns import Kind, Owner
from facedex.api.pages import Page, PageTokens
from facedex.api.reading import parse_json, read_request
from facedex.api.writing import ResponseError, write_error, write_response

IMAGE = {"Bytes": base64.b64encode(b"\xff\xd8 photo").decode()}


def refusal(operation: str, **members: object) -> str:
    with pytest.raises(errors.ValidationException) as caught:
        read_request(operation, dict(members))
    return str(caught.value)


def test_blobs_arrive_as_bytes_and_unknown_members_are_dropped() -> None:
    request = read_request("DetectFaces", {"Image": IMAGE, "Colour": "red"})
    assert request == {"Image": {"Bytes": b"\xff\xd8 photo"}}


def test_null_members_count_as_absent() -> None:
    request = read_request("ListFaces", {"CollectionId": "staff", "NextToken": None})
    assert request == {"CollectionId": "staff"}


def test_a_missing_member_is_named_as_aws_names_it() -> None:
    assert refusal("CreateCollection") == (
        "1 validation error detected: Value null at 'collectionId' failed to satisfy constraint:"
        " Member must not be null"
    )


def test_a_pattern_must_fit_the_whole_value() -> None:
    message = refusal("CreateCollection", CollectionId="staff/guests")
    assert "Value 'staff/guests' at 'collectionId'" in message
    assert r"regular expression pattern: [a-zA-Z0-9_.\-]+" in message
    assert "collectionId" in refusal("CreateCollection", CollectionId="staff\n")


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")]
)
def test_arns_of_every_partition_are_accepted(partition: str, region: str) -> None:
    channel = {
        "SNSTopicArn": f"arn:{partition}:sns:{region}:123456789012:AmazonRekognitionDone",
        "RoleArn": f"arn:{partition}:iam::123456789012:role/teller",
    }
    request = read_request(
        "StartFaceDetection",
        {
            "Video": {"S3Object": {"Bucket": "films", "Name": "lobby.mp4"}},
            "NotificationChannel": channel,
        },
    )
    assert request["NotificationChannel"] == channel
    message = refusal(
        "StartFaceDetection", Video={}, NotificationChannel=channel | {"RoleArn": "arn:a:iam::1:r"}
    )
    assert message.startswith("1 validation error detected")
    assert "notificationChannel.roleArn" in message


@pytest.mark.parametrize("digits", ["\u0661" * 12, "\uff11" * 12, "1" * 11 + "\u00b2"])
def test_digits_in_arns_are_those_of_ascii(digits: str) -> None:
    message = refusal(
        "CreateStreamProcessor",
        Name="door",
        Input={
            "KinesisVideoStream": {"Arn": f"arn:aws:kinesisvideo:eu-west-1:{digits}:stream/a/1"}
        },
        Output={"KinesisDataStream": {"Arn": f"arn:aws:kinesis:eu-west-1:{digits}:stream/a"}},
        Settings={"FaceSearch": {"CollectionId": "staff"}},
        RoleArn=f"arn:aws:iam::{digits}:role/teller",
        NotificationChannel={"SNSTopicArn": f"arn:aws:sns:eu-west-1:{digits}:done"},
    )
    assert message.startswith("4 validation errors detected")


def test_every_broken_constraint_is_reported_at_once() -> None:
    message = refusal(
        "IndexFaces",
        CollectionId="",
        Image={"S3Object": {"Bucket": "no", "Name": ""}},
        MaxFaces=0,
        QualityFilter="BEST",
    )
    assert message.startswith("6 validation errors detected")
    for place in ("collectionId", "image.s3Object.bucket", "image.s3Object.name", "maxFaces"):
        assert f"'{place}'" in message
    assert "enum value set: [NONE, AUTO, LOW, MEDIUM, HIGH]" in message


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_text_that_the_database_cannot_store_is_refused(character: str) -> None:
    message = refusal(
        "StartFaceSearch",
        CollectionId="staff",
        Video={"S3Object": {"Bucket": "films", "Name": f"a{character}b"}},
        NotificationChannel={
            "SNSTopicArn": f"arn:aws:sns:{character}:123456789012:done",
            "RoleArn": "arn:aws:iam::123456789012:role/teller",
        },
    )
    assert "'video.s3Object.name' failed to satisfy constraint: Member must not have" in message
    assert "'notificationChannel.sNSTopicArn' failed" in message
    assert message.encode()  # botocore can serialise it


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "a\x1fb", "a!b", "a\0b"])
def test_tags_have_letters_numbers_and_spaces_and_no_other_white_space(value: str) -> None:
    arn = "arn:aws:rekognition:us-east-1:123456789012:collection/staff"
    for tags in ({"team": value}, {value: "team"}):
        assert "regular expression" in refusal("TagResource", ResourceArn=arn, Tags=tags)
    good = {"Büro 東京\u3000٣": "a+b=c/d:e@f_g-h.i j"}
    request = read_request("TagResource", {"ResourceArn": arn, "Tags": good})
    assert request["Tags"] == good


@pytest.mark.parametrize("name", ["a\0b", "a\n", "a/b", "", "ä"])
def test_an_arn_names_what_a_collection_can_be_called(name: str) -> None:
    owner = Owner("123456789012", "us-east-1")
    assert owner.resource(owner.collection_arn("staff.1-2_3")) == (Kind.COLLECTION, "staff.1-2_3")
    with pytest.raises(errors.InvalidParameterException, match="is not the ARN of a collection"):
        owner.resource(owner.collection_arn(name))


def test_a_list_member_is_named_by_its_place() -> None:
    good = "11111111-2222-3333-4444-555555555555"
    message = refusal("DeleteFaces", CollectionId="staff", FaceIds=[good, "BAD"])
    assert "Value 'BAD' at 'faceIds.2.member'" in message
    assert "faceIds" in refusal("DeleteFaces", CollectionId="staff", FaceIds=[])


@pytest.mark.parametrize("threshold", [-0.1, 100.1, 1e300])
def test_a_threshold_is_a_percentage(threshold: float) -> None:
    message = refusal(
        "SearchFaces",
        CollectionId="staff",
        FaceId="11111111-2222-3333-4444-555555555555",
        FaceMatchThreshold=threshold,
    )
    assert "'faceMatchThreshold'" in message


def test_a_photo_over_five_megabytes_is_refused_and_not_quoted() -> None:
    big = base64.b64encode(b"secret" * 900_000).decode()
    message = refusal("DetectFaces", Image={"Bytes": big})
    assert "Value of 5400000 bytes at 'image.bytes'" in message
    assert "less than or equal to 5242880" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("operation", "members", "place"),
    [
        ("CreateCollection", {"CollectionId": 7}, "'collectionId' must be a string"),
        ("CreateCollection", {"CollectionId": ["staff"]}, "'collectionId' must be a string"),
        ("ListCollections", {"MaxResults": "7"}, "'maxResults' must be a whole number"),
        ("ListCollections", {"MaxResults": 7.5}, "'maxResults' must be a whole number"),
        ("ListCollections", {"MaxResults": True}, "'maxResults' must be a whole number"),
        ("ListCollections", {"MaxResults": 2**40}, "'maxResults' must be a whole number"),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": "x"}, "'faceIds' must be a list"),
        ("DetectFaces", {"Image": "photo.jpg"}, "'image' must be a structure"),
        ("DetectFaces", {"Image": {"Bytes": "%%%"}}, "'image.bytes' must be base64-encoded bytes"),
    ],
)
def test_a_member_of_the_wrong_type_is_named(
    operation: str, members: dict[str, object], place: str
) -> None:
    with pytest.raises(errors.SerializationException, match=place):
        read_request(operation, members)


@pytest.mark.parametrize("body", ["{", "[]", '"text"', '{"MaxResults": NaN}', "{'a': 1}", b"\xff"])
def test_a_body_that_is_not_a_json_object_is_refused(body: str | bytes) -> None:
    with pytest.raises(errors.SerializationException):
        parse_json(body)


def test_a_body_in_another_encoding_is_refused_with_its_first_wrong_byte() -> None:
    with pytest.raises(errors.SerializationException, match="its byte 8 is not of UTF-8"):
        parse_json('{"a": "ü"}'.encode("latin-1"))


@pytest.mark.parametrize("body", [b'{"MaxResults": 1}', '{"MaxResults": 1}'])
def test_a_byte_order_mark_before_a_body_is_ignored(body: str | bytes) -> None:
    marked = "\ufeff" + body if isinstance(body, str) else b"\xef\xbb\xbf" + body
    assert parse_json(marked) == {"MaxResults": 1}


def test_an_empty_body_is_an_empty_request() -> None:
    assert parse_json("") == parse_json(b" \n") == {}


def test_responses_carry_ids_as_text_and_times_as_epoch_seconds() -> None:
    body = write_response(
        "DescribeCollection",
        {"FaceCount": 3, "CreationTimestamp": datetime(2020, 1, 1, 0, 0, 0, 125_000, UTC)},
    )
    assert json.loads(body) == {"FaceCount": 3, "CreationTimestamp": 1577836800.125}
    face_id = UUID("11111111-2222-3333-4444-555555555555")
    body = write_response("DeleteFaces", {"DeletedFaces": [face_id]})
    assert json.loads(body) == {"DeletedFaces": [str(face_id)]}
    assert json.loads(write_response("DeleteFaces", {"DeletedFaces": []})) == {"DeletedFaces": []}


def test_responses_accept_numpy_scalars_and_omit_none() -> None:
    body = write_response(
        "SearchFacesByImage",
        {"SearchedFaceConfidence": np.float32(99.5), "SearchedFaceBoundingBox": None},
    )
    assert json.loads(body) == {"SearchedFaceConfidence": 99.5}


@pytest.mark.parametrize(
    "response",
    [
        {"FaceCount": "3"},
        {"FaceCount": -1},
        {"CreationTimestamp": 5},
        {"Faces": 3},
    ],
)
def test_an_answer_that_violates_the_service_model_is_an_internal_error(
    response: dict[str, object],
) -> None:
    with pytest.raises(ResponseError):
        write_response("DescribeCollection", response)


def test_an_error_contains_its_code_and_message() -> None:
    assert json.loads(write_error("ResourceNotFoundException", "No such face.", "id")) == {
        "__type": "ResourceNotFoundException",
        "Code": "ResourceNotFoundException",
        "Logref": "id",
        "Message": "No such face.",
    }


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (
            errors.InvalidParameterException("Specify either UserId or FaceId."),
            "Request has invalid parameters. Specify either UserId or FaceId.",
        ),
        (errors.ResourceNotFoundException("No such face."), "No such face."),
        (errors.InternalServerError("Internal server error."), "Internal server error."),
        (errors.InvalidParameterException("No face.", opening=""), "No face."),
    ],
)
def test_an_answer_begins_with_the_documented_sentence(
    error: errors.ServiceError, answer: str
) -> None:
    assert error.answer == answer


def test_a_page_token_is_read_back() -> None:
    tokens = PageTokens(b"key", "ListFaces", "7")
    assert tokens.read(tokens.write("last")) == "last"


@pytest.mark.parametrize(
    "other", [PageTokens(b"other", "ListFaces", "7"), PageTokens(b"key", "ListFaces", "8")]
)
def test_a_page_token_of_another_listing_or_deployment_is_refused(other: PageTokens) -> None:
    with pytest.raises(errors.InvalidPaginationTokenException):
        PageTokens(b"key", "ListFaces", "7").read(other.write("last"))


def test_a_page_token_that_was_changed_is_refused() -> None:
    tokens = PageTokens(b"key", "ListFaces", "7")
    token = tokens.write("last")
    for index, letter in enumerate(token[:-1]):
        changed = token[:index] + ("A" if letter != "A" else "B") + token[index + 1 :]
        with pytest.raises(errors.InvalidPaginationTokenException):
            tokens.read(changed)


_TOKENS = PageTokens(b"key", "ListFaces", "7")


def test_pages_list_every_item_once() -> None:
    items = list(range(1, 8))
    listed: list[int] = []
    request: dict[str, object] = {"MaxResults": 3}
    for expected in (3, 3, 1):
        page = Page(request, _TOKENS, largest=4096)
        start = page.after or 0
        found = [item for item in items if item > start][: page.limit]
        part, token = page.split(found, lambda item: item)
        assert len(part) == expected
        listed += part
        request = {"MaxResults": 3, **({"NextToken": token} if token else {})}
    assert listed == items
    assert "NextToken" not in request


@pytest.mark.parametrize(
    ("request_", "size"),
    [({}, 5), ({"MaxResults": 0}, 5), ({"MaxResults": 4}, 4), ({"MaxResults": 6}, 5)],
)
def test_a_page_has_max_results_up_to_the_largest(request_: dict[str, int], size: int) -> None:
    page = Page(request_, _TOKENS, largest=5)
    items, token = page.split(range(20)[: page.limit], lambda item: item)
    assert len(items) == size
    assert token


def test_a_page_refuses_the_token_of_the_whole_listing_under_a_filter() -> None:
    page = Page({"NextToken": _TOKENS.write(3)}, _TOKENS, largest=9)
    assert page.after == 3
    with pytest.raises(errors.InvalidPaginationTokenException):
        _ = page.narrow("ann").after
