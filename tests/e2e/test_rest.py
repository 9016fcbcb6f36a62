"""Every operation by its REST route, through plain HTTP requests without an SDK."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import pytest
from PIL import Image

from tests.e2e.films import Studio, moving
from tests.e2e.plain_http import Rest, inline
from tests.e2e.streaming import definition, until

if TYPE_CHECKING:
    from tests.conftest import Server

Portraits = dict[str, bytes]
_LISTED = {"Search": "Persons", "Detection": "Faces"}  # lists in a job's response


def test_a_collections_life(rest: Rest) -> None:
    name = f"rest-{uuid4().hex}"
    created = rest.good("CreateCollection", CollectionId=name, Tags={"team": "flight"})
    assert created["CollectionArn"].endswith(f"collection/{name}")
    assert rest.good("DescribeCollection", CollectionId=name)["FaceCount"] == 0
    assert name in rest.good("ListCollections", MaxResults=4096)["CollectionIds"]
    assert rest.good("DeleteCollection", CollectionId=name) == {"StatusCode": 200}
    status, error = rest.call("DescribeCollection", {"CollectionId": name})
    assert (status, error["__type"]) == (400, "ResourceNotFoundException")


def test_faces_by_json(rest: Rest, collection: str, portraits: Portraits) -> None:
    image = inline(portraits["eileen"])
    indexed = rest.good(
        "IndexFaces", CollectionId=collection, Image=image, ExternalImageId="eileen", MaxFaces=1
    )
    (face,) = (record["Face"]["FaceId"] for record in indexed["FaceRecords"])
    (listed,) = rest.good("ListFaces", CollectionId=collection)["Faces"]
    assert (listed["FaceId"], listed["ExternalImageId"]) == (face, "eileen")
    found = rest.good("SearchFacesByImage", CollectionId=collection, Image=image)
    assert [match["Face"]["FaceId"] for match in found["FaceMatches"]] == [face]
    alone = rest.good("SearchFaces", CollectionId=collection, FaceId=face, FaceMatchThreshold=90)
    assert alone["FaceMatches"] == []
    gone = rest.good("DeleteFaces", CollectionId=collection, FaceIds=[face])
    assert gone["DeletedFaces"] == [face]


def test_a_photo_as_the_body(rest: Rest, collection: str, portraits: Portraits) -> None:
    photo = portraits["grace"]
    indexed = rest.good(
        "IndexFaces",
        photo,
        CollectionId=collection,
        ExternalImageId="grace",
        MaxFaces=1,
        QualityFilter="NONE",
        DetectionAttributes=["DEFAULT", "ALL"],
    )
    (record,) = indexed["FaceRecords"]
    assert record["Face"]["ExternalImageId"] == "grace"
    by_json = rest.good("SearchFacesByImage", CollectionId=collection, Image=inline(photo))
    by_photo = rest.good(
        "SearchFacesByImage", photo, CollectionId=collection, FaceMatchThreshold=99.5, MaxFaces=1
    )
    assert by_photo == by_json
    assert len(rest.good("DetectFaces", photo)["FaceDetails"]) == 1
    people = rest.good("SearchUsersByImage", photo, CollectionId=collection, MaxUsers=3)
    assert people["UserMatches"] == []


def test_a_png_and_bytes_without_a_content_type_as_the_body(
    rest: Rest, portraits: Portraits
) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(portraits["grace"])).save(buffer, "PNG")
    found = [
        rest.ask("POST", "/v1/faces/detect", buffer.getvalue(), kind)
        for kind in ("image/png", "application/octet-stream", "IMAGE/PNG; charset=binary")
    ]
    assert found[0][0] == 200
    assert len(found[0][1]["FaceDetails"]) == 1
    assert found[0] == found[1] == found[2]


def test_users(rest: Rest, collection: str, portraits: Portraits) -> None:
    user = {"CollectionId": collection, "UserId": "eileen:1"}
    (record,) = rest.good("IndexFaces", portraits["eileen"], CollectionId=collection, MaxFaces=1)[
        "FaceRecords"
    ]
    face = record["Face"]["FaceId"]
    assert rest.good("CreateUser", **user) == {}
    associated = rest.good("AssociateFaces", **user, FaceIds=[face])
    assert associated["AssociatedFaces"] == [{"FaceId": face}]
    assert rest.good("ListUsers", CollectionId=collection)["Users"] == [
        {"UserId": "eileen:1", "UserStatus": "ACTIVE"}
    ]
    (found,) = rest.good("SearchUsers", CollectionId=collection, FaceId=face)["UserMatches"]
    assert found["User"]["UserId"] == "eileen:1"
    (found,) = rest.good("SearchUsersByImage", portraits["eileen"], CollectionId=collection)[
        "UserMatches"
    ]
    assert found["User"]["UserId"] == "eileen:1"
    assert rest.good("DisassociateFaces", **user, FaceIds=[face])["UserStatus"] == "CREATED"
    assert rest.good("DeleteUser", **user, ClientRequestToken="once") == {}


def test_a_stream_processors_life(rest: Rest, collection: str) -> None:
    name = {"Name": collection}
    created = rest.good("CreateStreamProcessor", **definition(collection, collection))
    arn = created["StreamProcessorArn"]
    rest.good("TagResource", ResourceArn=arn, Tags={"site": "north"})
    assert rest.good("ListTagsForResource", ResourceArn=arn) == {"Tags": {"site": "north"}}
    assert rest.good("DescribeStreamProcessor", **name)["Status"] == "STOPPED"
    sharing = {"DataSharingPreferenceForUpdate": {"OptIn": False}}
    assert rest.good("UpdateStreamProcessor", **name, **sharing) == {}
    listed = rest.good("ListStreamProcessors", MaxResults=1000)["StreamProcessors"]
    assert {"Name": collection, "Status": "STOPPED"} in listed
    path = f"/v1/stream-processors/{collection}"
    code, message = rest.bad("POST", f"{path}/stop")
    assert (code, "nothing to stop" in message) == ("ResourceInUseException", True)
    # No body is required.
    status, started = rest.ask("POST", f"{path}/start")
    assert (status, set(started)) == (200, {"SessionId"})
    assert rest.ask("POST", f"{path}/stop", b"{}") == (200, {})
    until(lambda: rest.good("DescribeStreamProcessor", **name)["Status"] == "STOPPED")
    assert rest.good("DeleteStreamProcessor", **name) == {}
    assert rest.bad("GET", path)[0] == "ResourceNotFoundException"


def test_a_film(rest: Rest, server: Server, portraits: Portraits) -> None:
    studio = Studio(server, portraits)
    video = studio.put("film.mp4", moving(portraits, "grace", seconds=1))
    for kind, members in (("Search", {"CollectionId": studio.name}), ("Detection", {})):
        job = rest.good(f"StartFace{kind}", Video=video, **members)["JobId"]
        studio.wait(job, f"get_face_{kind.lower()}")
        first = rest.good(f"GetFace{kind}", JobId=job, MaxResults=1)
        assert (first["JobStatus"], len(first[_LISTED[kind]])) == ("SUCCEEDED", 1)
        token = first["NextToken"]
        assert rest.good(f"GetFace{kind}", JobId=job, NextToken=token)[_LISTED[kind]]
    assert rest.bad("GET", f"/v1/video/face-search/{'f' * 64}")[0] == "ResourceNotFoundException"


def test_comparing(rest: Rest, portraits: Portraits) -> None:
    photo = inline(portraits["eileen"])
    answer = rest.good("CompareFaces", SourceImage=photo, TargetImage=photo)
    assert answer["FaceMatches"][0]["Similarity"] > 99
    code, message = rest.bad("POST", "/v1/faces/compare", portraits["eileen"], "image/jpeg")
    assert code == "SerializationException"
    assert "does not accept a photo as its body" in message


@pytest.mark.parametrize("safe", ["", ":"])
def test_tags_of_an_arn_in_the_path(rest: Rest, collection: str, safe: str) -> None:
    arn = f"arn:aws:rekognition:us-east-1:123456789012:collection/{collection}"
    path = f"/v1/tags/{quote(arn, safe=safe)}"
    tags = {"team": "flight", "Büro": "東京 1"}
    assert rest.ask("POST", path, json.dumps({"Tags": tags}).encode()) == (200, {})
    assert rest.ask("GET", path) == (200, {"Tags": tags})
    assert rest.ask("DELETE", path, query={"TagKeys": ["team", "Büro"]}) == (200, {})
    assert rest.good("ListTagsForResource", ResourceArn=arn) == {"Tags": {}}


def test_paging_by_query_parameters(rest: Rest, collection: str) -> None:
    users = [f"user-{number}" for number in range(5)]
    for user in users:
        rest.good("CreateUser", CollectionId=collection, UserId=user)
    path, listed, query = f"/v1/collections/{collection}/users", [], {"MaxResults": "2"}
    for _ in range(3):
        _, page = rest.ask("GET", path, query=query)
        listed += [user["UserId"] for user in page["Users"]]
        query["NextToken"] = page.get("NextToken", "")
    assert sorted(listed) == users
    assert query["NextToken"] == ""
    code, _ = rest.bad("GET", path, query={"NextToken": "forged"})
    assert code == "InvalidPaginationTokenException"


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("Colour=red", "ValidationException", "has no query parameter 'Colour'"),
        ("MaxResults=1&MaxResults=1", "ValidationException", "MaxResults occurs 2 times"),
        ("MaxResults=ten", "SerializationException", "MaxResults must be a number"),
        ("MaxResults=1_0", "SerializationException", "MaxResults must be a number"),
        ("MaxResults=NaN", "SerializationException", "MaxResults must be a number"),
        ("MaxResults=true", "SerializationException", "MaxResults must be a number"),
        ("MaxResults=", "SerializationException", "MaxResults must be a number"),
        ("MaxResults=1.5", "SerializationException", "'maxResults' must be a whole number"),
        ("MaxResults=5000", "ValidationException", "'maxResults'"),
        ("FaceIds=a&FaceIds=b", "ValidationException", "'faceIds.2.member'"),
        ("CollectionId=other", "ValidationException", "CollectionId is given twice"),
        ("UserId=nobody", "ResourceNotFoundException", "nobody"),
    ],
)
def test_query_parameters_that_are_wrong(
    rest: Rest, collection: str, query: str, code: str, words: str
) -> None:
    found, message = rest.bad("GET", f"/v1/collections/{collection}/faces?{query}")
    assert (found, words in message) == (code, True), message


def test_a_query_parameter_cannot_be_a_structure(rest: Rest) -> None:
    code, message = rest.bad("POST", "/v1/faces/detect?Image=x", b"", "image/png")
    assert (code, "Image cannot be given" in message) == ("SerializationException", True)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", "SerializationException"),
        (b"[]", "application/json", "SerializationException"),
        (b"Image=x", "application/x-www-form-urlencoded", "SerializationException"),
        (b"", "application/json", "ValidationException"),
        (b'{"Image": 5}', "application/json", "SerializationException"),
        (b"", "image/jpeg", "ValidationException"),
        (b"not a photo", "image/jpeg", "InvalidImageFormatException"),
        (b"\xff\xd8\xff\xe0", "application/octet-stream", "InvalidImageFormatException"),
    ],
)
def test_bodies_that_are_wrong(rest: Rest, body: bytes, kind: str, code: str) -> None:
    assert rest.bad("POST", "/v1/faces/detect", body, kind)[0] == code


def test_a_member_given_twice_must_have_equal_values(rest: Rest, collection: str) -> None:
    path = f"/v1/collections/{collection}/users"
    same = json.dumps({"CollectionId": collection, "UserId": "ann"}).encode()
    assert rest.ask("POST", path, same, query={"UserId": "ann"}) == (200, {})
    for body in ({"CollectionId": "other", "UserId": "bob"}, {"UserId": "bob"}):
        code, message = rest.bad("POST", path, json.dumps(body).encode(), query={"UserId": "carol"})
        assert (code, "is given twice" in message) == ("ValidationException", True)
    code, _ = rest.bad("POST", path, b'{"CollectionId": null, "UserId": null}')
    assert code == "ValidationException"


def test_a_path_that_is_wrong(rest: Rest, collection: str) -> None:
    for path in (f"/v1/collections/{collection}%2Fx", "/v1/collections/a%20b"):
        assert rest.bad("GET", path)[0] == "ValidationException"
    for path in ("/v1/collections/%00", "/v1/collections/%ff"):
        assert rest.bad("GET", path)[0] == "ValidationException"
    huge = rest.ask("POST", "/v1/faces/detect", bytes(16_000_000), "image/jpeg")
    assert (huge[0], huge[1]["__type"]) == (413, "RequestEntityTooLargeException")
    assert rest.ask("GET", "/v1/nothing")[0] == 404
    assert rest.ask("PUT", f"/v1/collections/{collection}")[0] == 405


def test_the_document_and_the_docs_are_served(rest: Rest) -> None:
    rest.connection.request("GET", "/openapi.json")
    response = rest.connection.getresponse()
    assert json.loads(response.read())["openapi"] == "3.1.0"
    rest.connection.request("GET", "/docs")
    response = rest.connection.getresponse()
    assert b"swagger-ui-bundle.js" in response.read()
