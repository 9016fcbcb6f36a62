"""REST requests become the members of an operation's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from facedex.api import rest
from facedex.api.errors import SerializationException, ValidationException

ARN = "arn:aws:rekognition:us-east-1:123456789012:collection/staff"


def read_members(
    operation: str,
    body: str | bytes = "",
    kind: str = "application/json",
    path: Mapping[str, str] | None = None,
    query: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    return rest.read_members(
        operation, headers={"content-type": kind}, path=path or {}, query=query or {}, body=body
    )


@pytest.mark.parametrize("sent", [ARN, ARN.replace("/", "%2F"), ARN.replace(":", "%3A")])
def test_path_parameters_are_read_encoded_or_decoded(sent: str) -> None:
    members = read_members("ListTagsForResource", path={"ResourceArn": sent})
    assert members == {"ResourceArn": ARN}


def test_query_parameters_take_the_types_of_their_members() -> None:
    query = {"MaxFaces": ["5"], "FaceMatchThreshold": ["99.5"], "QualityFilter": ["LOW"]}
    members = read_members("SearchFacesByImage", b"\xff\xd8", "image/jpeg", query=query)
    assert members == {
        "Image": {"Bytes": b"\xff\xd8"},
        "MaxFaces": 5,
        "FaceMatchThreshold": 99.5,
        "QualityFilter": "LOW",
    }
    members = read_members("ListFaces", query={"FaceIds": ["a"], "MaxResults": ["1e1"]})
    assert members == {"FaceIds": ["a"], "MaxResults": 10}


def test_a_list_in_the_query_is_as_long_as_a_url_has_room_for() -> None:
    members = read_members("ListFaces", query={"FaceIds": ["a"] * 100})
    assert len(members["FaceIds"]) == 100
    with pytest.raises(ValidationException, match="FaceIds occurs 101 times"):
        read_members("ListFaces", query={"FaceIds": ["a"] * 101})


def test_presigned_query_parameters_are_not_members() -> None:
    query = {
        "X-Amz-Algorithm": ["AWS4-HMAC-SHA256"],
        "X-Amz-Signature": ["00"],
        "MaxResults": ["1"],
    }
    assert read_members("ListCollections", query=query) == {"MaxResults": 1}


def test_a_photo_that_arrives_as_text_is_refused() -> None:
    with pytest.raises(SerializationException, match="binary media types"):
        read_members("DetectFaces", "\ufffd\ufffd", "image/jpeg")


def test_a_query_parameter_of_a_structure_is_refused() -> None:
    with pytest.raises(SerializationException, match="Tags cannot be given"):
        read_members("CreateCollection", query={"Tags": ["team"]})


def test_the_option_of_a_route_chooses_an_extension() -> None:
    names = {
        rest.choose_variant("SearchFacesByImage", {}),
        rest.choose_variant("SearchFacesByImage", {"faces": ["largest"]}),
        rest.choose_variant("SearchFacesByImage", {"faces": ["all"]}),
    }
    assert names == {"SearchFacesByImage", "SearchAllFacesByImage"}
    assert rest.choose_variant("DetectFaces", {"faces": ["all"]}) == "DetectFaces"
    with pytest.raises(ValidationException, match="must be largest or all, not 'some'"):
        rest.choose_variant("SearchFacesByImage", {"faces": ["some"]})
    with pytest.raises(ValidationException, match="occurs 2 times"):
        rest.choose_variant("SearchFacesByImage", {"faces": ["all", "all"]})
