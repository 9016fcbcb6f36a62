"""MaxResults and NextToken through boto3, in every operation that has them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.config import Config

from tests.conftest import Server
from tests.e2e.films import Studio, moving
from tests.unit.test_pages import PAGED


@pytest.fixture(scope="module")
def asked(server: Server, portraits: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return the members that name what is listed, by operation."""
    studio = Studio(server, portraits)
    for name in "ab":
        studio.rekognition.create_user(CollectionId=studio.name, UserId=name)
    film = studio.put("film.mp4", moving(portraits, *list(portraits)[:1], seconds=1))
    search = studio.start(film)
    detection = studio.rekognition.start_face_detection(Video={"S3Object": film["S3Object"]})
    assert studio.wait(search)["JobStatus"] == "SUCCEEDED"
    collection = {"CollectionId": studio.name}
    return {
        "ListFaces": collection,
        "ListUsers": collection,
        "GetFaceSearch": {"JobId": search},
        "GetFaceDetection": {"JobId": detection["JobId"]},
    }


@pytest.mark.parametrize("operation", PAGED)
def test_pages_and_their_limits(
    operation: str, asked: dict[str, dict[str, Any]], server: Server
) -> None:
    client = server.client("rekognition", config=Config(parameter_validation=False))
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    low, high, default = PAGED[operation]
    members = asked.get(operation, {})

    def call(**more: Any) -> Any:
        answer = getattr(client, method)(**members, **more)
        del answer["ResponseMetadata"]
        return answer

    whole = call()
    assert call(NextToken="") == call(MaxResults=default) == whole
    if low == 0:
        assert call(MaxResults=0) == whole
    if high is None:
        assert call(MaxResults=default + 1) == whole
    for refused in (low - 1, *([high + 1] if high else [])):
        with pytest.raises(client.exceptions.ClientError) as caught:
            call(MaxResults=refused)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    if operation in ("ListFaces", "ListUsers", "GetFaceSearch"):
        listed = next(value for value in whole.values() if isinstance(value, list))
        assert len(listed) >= 2
        joined: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = call(MaxResults=1, NextToken=token)
            (item,) = next(value for value in page.values() if isinstance(value, list))
            joined.append(item)
            token = page.get("NextToken")
        assert joined == listed
