"""REST requests become the members of an operation's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from facedex.api.arns import Owner
from facedex.api.authentication import Caller
from facedex.api.errors import SerializationException, ValidationException
from facedex.api.gateway import Call
from facedex.api.rest import choose_variant, read_members

ARN = "arn:aws:rekognition:us-east-1:123456789012:collection/staff"


def call(
    body: str | bytes = "",
    kind: str = "application/json",
    path: Mapping[str, str] | None = None,
    query: Mapping[str, Sequence[str]] | None = None,
) -> Call:
    return Call(
        request_id="1",
        owner=Owner("123456789012", "us-east-1"),
        caller=Caller(),
        headers={"content-type": kind},
        path=path or {},
        query=query or {},
        body=body,
    )


@pytest.mark.parametrize("sent", [ARN, ARN.replace("/", "%2F"), ARN.replace(":", "%3A")])
def test_path_parameters_are_understood_decoded_or_as_they_were_sent(sent: str) -> None:
    members = read_members("ListTagsForResource", call(path={"ResourceArn": sent}))
    assert members == {"ResourceArn": ARN}


def test_query_parameters_take_the_types_of_their_members() -> None:
    query = {"MaxFaces": ["5"], "FaceMatchThreshold": ["99.5"], "QualityFilter": ["LOW"]}
    members = read_members("SearchFacesByImage", call(b"\xff\xd8", "image/jpeg", query=query))
    assert members == {
        "Image": {"Bytes": b"\xff\xd8"},
        "MaxFaces": 5,
        "FaceMatchThreshold": 99.5,
        "QualityFilter": "LOW",
    }
    members = read_members("ListFaces", call(query={"FaceIds": ["a"], "MaxResults": ["1e1"]}))
    assert members == {"FaceIds": ["a"], "MaxResults": 10}


def test_a_list_in_the_query_is_as_long_as_a_url_has_room_for() -> None:
    members = read_members("ListFaces", call(query={"FaceIds": ["a"] * 100}))
    assert len(members["FaceIds"]) == 100
    with pytest.raises(ValidationException, match="FaceIds is given 101 times"):
        read_members("ListFaces", call(query={"FaceIds": ["a"] * 101}))


def test_a_presigned_requests_signature_is_no_member() -> None:
    query = {
        "X-Amz-Algorithm": ["AWS4-HMAC-SHA256"],
        "X-Amz-Signature": ["00"],
        "MaxResults": ["1"],
    }
    assert read_members("ListCollections", call(query=query)) == {"MaxResults": 1}


def test_a_photo_that_was_made_text_on_its_way_is_not_looked_at() -> None:
    with pytest.raises(SerializationException, match="binary media types"):
        read_members("DetectFaces", call("\ufffd\ufffd", "image/jpeg"))


def test_a_query_parameter_of_a_structure_is_refused() -> None:
    with pytest.raises(SerializationException, match="Tags cannot be given"):
        read_members("CreateCollection", call(query={"Tags": ["team"]}))


def test_the_option_of_a_route_chooses_an_extension() -> None:
    names = {
        choose_variant("SearchFacesByImage", call()),
        choose_variant("SearchFacesByImage", call(query={"faces": ["largest"]})),
        choose_variant("SearchFacesByImage", call(query={"faces": ["all"]})),
    }
    assert names == {"SearchFacesByImage", "SearchAllFacesByImage"}
    assert choose_variant("DetectFaces", call(query={"faces": ["all"]})) == "DetectFaces"
    with pytest.raises(ValidationException, match="must be largest or all, not 'some'"):
        choose_variant("SearchFacesByImage", call(query={"faces": ["some"]}))
    with pytest.raises(ValidationException, match="is given 2 times"):
        choose_variant("SearchFacesByImage", call(query={"faces": ["all", "all"]}))
