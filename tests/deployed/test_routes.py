"""Every image operation by its REST route, which leads to a function of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from facedex.api.catalog import OPERATIONS
from tests.deployed.account import Stack
from tests.deployed.signed_rest import SignedRest
from tests.e2e.plain_http import inline

# Routes of video, and those with an ARN: MiniStack takes its encoded slash for a separator.
_OTHERS = ("/v1/video/", "/v1/stream-processors", "/v1/tags/")


class _Recording(SignedRest):
    """Remembers the operations that succeeded."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.url, str(stack.emulator.certificate.chain))
        self.done: set[str] = set()

    def good(self, operation: str, *arguments: Any, **members: Any) -> Any:
        answer = super().good(operation, *arguments, **members)
        self.done.add(operation)
        return answer


@pytest.fixture
def rest(stack: Stack) -> Iterator[_Recording]:
    made = _Recording(stack)
    yield made
    made.close()


def test_every_image_operation_by_its_route(rest: _Recording, portraits: dict[str, bytes]) -> None:
    eileen, grace = inline(portraits["eileen"]), inline(portraits["grace"])
    staff = {"CollectionId": "routed"}
    ann = {**staff, "UserId": "ann"}
    assert rest.good("CreateCollection", **staff)["StatusCode"] == 200
    assert "routed" in rest.good("ListCollections")["CollectionIds"]

    (record,) = rest.good("IndexFaces", **staff, Image=eileen)["FaceRecords"]
    face = record["Face"]["FaceId"]
    (other,) = rest.good("IndexFaces", portraits["grace"], **staff)["FaceRecords"]
    assert len(rest.good("ListFaces", **staff)["Faces"]) == 2
    assert rest.good("SearchFaces", **staff, FaceId=face)["FaceMatches"] == []
    (match,) = rest.good("SearchFacesByImage", **staff, Image=eileen)["FaceMatches"]
    assert match["Face"]["FaceId"] == face
    assert len(rest.good("DetectFaces", Image=grace)["FaceDetails"]) == 1
    compared = rest.good("CompareFaces", SourceImage=eileen, TargetImage=grace)
    assert (compared["FaceMatches"], len(compared["UnmatchedFaces"])) == ([], 1)

    rest.good("CreateUser", **ann)
    associated = rest.good("AssociateFaces", **ann, FaceIds=[face])
    assert associated["AssociatedFaces"] == [{"FaceId": face}]
    (user,) = rest.good("ListUsers", **staff)["Users"]
    assert user["UserId"] == "ann"
    (match,) = rest.good("SearchUsers", **staff, FaceId=face)["UserMatches"]
    assert match["User"]["UserId"] == "ann"
    (match,) = rest.good("SearchUsersByImage", **staff, Image=eileen)["UserMatches"]
    assert match["User"]["UserId"] == "ann"
    described = rest.good("DescribeCollection", **staff)
    assert (described["FaceCount"], described["UserCount"]) == (2, 1)
    gone = rest.good("DisassociateFaces", **ann, FaceIds=[face])
    assert gone["DisassociatedFaces"] == [{"FaceId": face}]
    rest.good("DeleteUser", **ann)

    ids = [face, other["Face"]["FaceId"]]
    assert rest.good("DeleteFaces", **staff, FaceIds=ids)["DeletedFaces"] == ids
    assert rest.good("DeleteCollection", **staff) == {"StatusCode": 200}
    assert rest.done == {
        row.name for row in OPERATIONS.values() if not row.path.startswith(_OTHERS)
    }
