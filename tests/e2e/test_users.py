"""Users, comparison and tags through an unmodified boto3, on real photos."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from tests.conftest import Server

Portraits = dict[str, bytes]


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def opened(photo: bytes) -> Image.Image:
    return Image.open(io.BytesIO(photo)).convert("RGB")


def code_of(client: Any, operation: str, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**members)
    assert caught.value.response["Error"]["Message"]
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def rekognition(server: Server) -> Any:
    return server.client("rekognition", config=Config(parameter_validation=False))


@pytest.fixture
def collection(rekognition: Any) -> Iterator[str]:
    name = f"users-{uuid4().hex}"
    rekognition.create_collection(CollectionId=name)
    yield name
    rekognition.delete_collection(CollectionId=name)


@pytest.fixture
def faces(rekognition: Any, collection: str, portraits: Portraits) -> dict[str, list[str]]:
    """Index three photos of each person, and return the FaceIds by name."""
    ids: dict[str, list[str]] = {}
    for name, photo in portraits.items():
        picture = opened(photo)
        for copy in (picture, ImageOps.mirror(picture), picture.rotate(8)):
            answer = rekognition.index_faces(
                CollectionId=collection, Image={"Bytes": jpeg(copy)}, MaxFaces=1
            )
            ids.setdefault(name, []).append(answer["FaceRecords"][0]["Face"]["FaceId"])
    return ids


@pytest.fixture
def people(rekognition: Any, collection: str, faces: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return two users with three faces each."""
    for name, ids in faces.items():
        rekognition.create_user(CollectionId=collection, UserId=name)
        rekognition.associate_faces(CollectionId=collection, UserId=name, FaceIds=ids)
    return faces


def test_a_user_is_created_until_it_has_faces_and_active_then(
    rekognition: Any, collection: str, faces: dict[str, list[str]]
) -> None:
    rekognition.create_user(CollectionId=collection, UserId="eileen")
    listed = rekognition.list_users(CollectionId=collection)["Users"]
    assert listed == [{"UserId": "eileen", "UserStatus": "CREATED"}]
    answer = rekognition.associate_faces(
        CollectionId=collection, UserId="eileen", FaceIds=faces["eileen"]
    )
    assert answer["UserStatus"] == "ACTIVE"
    assert [face["FaceId"] for face in answer["AssociatedFaces"]] == faces["eileen"]
    assert answer["UnsuccessfulFaceAssociations"] == []
    assert rekognition.describe_collection(CollectionId=collection)["UserCount"] == 1
    owned = rekognition.list_faces(CollectionId=collection, UserId="eileen")["Faces"]
    assert {face["FaceId"] for face in owned} == set(faces["eileen"])
    assert {face["UserId"] for face in owned} == {"eileen"}
    gone = rekognition.disassociate_faces(
        CollectionId=collection, UserId="eileen", FaceIds=faces["eileen"]
    )
    assert gone["UserStatus"] == "CREATED"
    assert len(gone["DisassociatedFaces"]) == 3


def test_a_face_unlike_the_user_is_rejected_by_the_threshold(
    rekognition: Any, collection: str, people: dict[str, list[str]]
) -> None:
    rekognition.disassociate_faces(
        CollectionId=collection, UserId="grace", FaceIds=people["grace"][:1]
    )
    answer = rekognition.associate_faces(
        CollectionId=collection,
        UserId="eileen",
        FaceIds=[people["grace"][0], people["grace"][1], str(uuid4())],
    )
    reasons = {
        failure["FaceId"]: failure["Reasons"] for failure in answer["UnsuccessfulFaceAssociations"]
    }
    assert answer["AssociatedFaces"] == []
    assert reasons[people["grace"][0]] == ["LOW_MATCH_CONFIDENCE"]
    assert reasons[people["grace"][1]] == ["ASSOCIATED_TO_A_DIFFERENT_USER"]
    assert ["FACE_NOT_FOUND"] in reasons.values()
    forced = rekognition.associate_faces(
        CollectionId=collection,
        UserId="eileen",
        FaceIds=people["grace"][:1],
        UserMatchThreshold=0,
    )
    assert len(forced["AssociatedFaces"]) == 1


def test_users_are_found_by_photo_by_face_and_by_user(
    rekognition: Any, collection: str, people: dict[str, list[str]], portraits: Portraits
) -> None:
    by_image = rekognition.search_users_by_image(
        CollectionId=collection, Image={"Bytes": jpeg(opened(portraits["grace"]).reduce(2))}
    )
    (match,) = by_image["UserMatches"]
    assert match["User"] == {"UserId": "grace", "UserStatus": "ACTIVE"}
    assert match["Similarity"] > 90
    assert by_image["SearchedFace"]["FaceDetail"]["Confidence"] > 80
    assert by_image["UnsearchedFaces"] == []
    by_face = rekognition.search_users(CollectionId=collection, FaceId=people["eileen"][0])
    assert [match["User"]["UserId"] for match in by_face["UserMatches"]] == ["eileen"]
    assert by_face["SearchedFace"]["FaceId"] == people["eileen"][0]
    by_user = rekognition.search_users(
        CollectionId=collection, UserId="eileen", UserMatchThreshold=0
    )
    assert [match["User"]["UserId"] for match in by_user["UserMatches"]] == ["grace"]
    assert by_user["SearchedUser"] == {"UserId": "eileen"}


def test_faces_that_were_not_searched_have_reasons(
    rekognition: Any, collection: str, people: dict[str, list[str]], portraits: Portraits
) -> None:
    left, right = (opened(portraits[name]) for name in ("eileen", "grace"))
    pair = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
    pair.paste(left, (0, 0))
    pair.paste(right, (left.width, 0))
    answer = rekognition.search_users_by_image(CollectionId=collection, Image={"Bytes": jpeg(pair)})
    assert len(answer["UserMatches"]) == 1
    assert [face["Reasons"] for face in answer["UnsearchedFaces"]] == [["FACE_NOT_LARGEST"]]
    blank = {"Bytes": jpeg(Image.new("RGB", (200, 200), "teal"))}
    nobody = rekognition.search_users_by_image(CollectionId=collection, Image=blank)
    assert nobody["UserMatches"] == []
    assert "SearchedFace" not in nobody


def test_a_face_of_a_user_is_deleted_only_after_it_was_disassociated(
    rekognition: Any, collection: str, people: dict[str, list[str]]
) -> None:
    face = people["eileen"][0]
    refused = rekognition.delete_faces(CollectionId=collection, FaceIds=[face])
    assert refused["DeletedFaces"] == []
    assert refused["UnsuccessfulFaceDeletions"] == [
        {"FaceId": face, "UserId": "eileen", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
    ]
    rekognition.disassociate_faces(CollectionId=collection, UserId="eileen", FaceIds=[face])
    deleted = rekognition.delete_faces(CollectionId=collection, FaceIds=[face])
    assert deleted["DeletedFaces"] == [face]


def test_a_deleted_user_is_not_found_but_its_faces_are(
    rekognition: Any, collection: str, people: dict[str, list[str]]
) -> None:
    rekognition.delete_user(CollectionId=collection, UserId="grace")
    by_face = rekognition.search_users(CollectionId=collection, FaceId=people["grace"][0])
    assert by_face["UserMatches"] == []
    found = rekognition.search_faces(CollectionId=collection, FaceId=people["grace"][0])
    assert len(found["FaceMatches"]) == 2
    assert all("UserId" not in match["Face"] for match in found["FaceMatches"])


def test_users_are_listed_page_by_page(rekognition: Any, collection: str) -> None:
    names = [f"user:{number:02}" for number in range(7)]
    for name in reversed(names):
        rekognition.create_user(CollectionId=collection, UserId=name)
    pages = rekognition.get_paginator("list_users").paginate(
        CollectionId=collection, PaginationConfig={"PageSize": 3}
    )
    assert [user["UserId"] for page in pages for user in page["Users"]] == names


def test_a_token_makes_a_repeated_call_harmless(
    rekognition: Any, collection: str, faces: dict[str, list[str]]
) -> None:
    create = {"CollectionId": collection, "UserId": "eileen", "ClientRequestToken": "one"}
    rekognition.create_user(**create)
    rekognition.create_user(**create)
    other = {**create, "UserId": "grace"}
    assert code_of(rekognition, "create_user", **other) == "IdempotentParameterMismatchException"
    give = {
        "CollectionId": collection,
        "UserId": "eileen",
        "FaceIds": faces["eileen"],
        "ClientRequestToken": "two",
    }
    first, second = (rekognition.associate_faces(**give) for _ in range(2))
    assert len(first["AssociatedFaces"]) == 3
    assert second["AssociatedFaces"] == first["AssociatedFaces"]
    delete = {"CollectionId": collection, "UserId": "eileen", "ClientRequestToken": "three"}
    rekognition.delete_user(**delete)
    rekognition.delete_user(**delete)


def test_two_photos_are_compared_face_by_face(rekognition: Any, portraits: Portraits) -> None:
    left, right = (opened(portraits[name]) for name in ("eileen", "grace"))
    pair = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
    pair.paste(ImageOps.mirror(left), (0, 0))
    pair.paste(right, (left.width, 0))
    answer = rekognition.compare_faces(
        SourceImage={"Bytes": portraits["eileen"]}, TargetImage={"Bytes": jpeg(pair)}
    )
    (match,) = answer["FaceMatches"]
    (other,) = answer["UnmatchedFaces"]
    assert match["Similarity"] > 90
    assert match["Face"]["BoundingBox"]["Left"] < 0.5 < other["BoundingBox"]["Left"]
    assert len(other["Landmarks"]) == 5
    assert answer["SourceImageFace"]["Confidence"] > 80
    every = rekognition.compare_faces(
        SourceImage={"Bytes": portraits["eileen"]},
        TargetImage={"Bytes": jpeg(pair)},
        SimilarityThreshold=0,
    )
    similarities = [match["Similarity"] for match in every["FaceMatches"]]
    assert len(similarities) == 2
    assert similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_photo_without_a_face_cannot_be_compared(
    rekognition: Any, portraits: Portraits, side: str
) -> None:
    images = {"SourceImage": {"Bytes": portraits["grace"]}}
    images["TargetImage"] = images["SourceImage"]
    images[f"{side.title()}Image"] = {"Bytes": jpeg(Image.new("RGB", (200, 200), "teal"))}
    with pytest.raises(ClientError, match=f"no faces in the {side} image") as caught:
        rekognition.compare_faces(**images)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_a_collection_carries_tags(rekognition: Any) -> None:
    name = f"tags-{uuid4().hex}"
    arn = rekognition.create_collection(CollectionId=name, Tags={"team": "flight"})["CollectionArn"]
    rekognition.tag_resource(ResourceArn=arn, Tags={"site": "north", "Größe": "a b"})
    rekognition.untag_resource(ResourceArn=arn, TagKeys=["team"])
    tags = rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert tags == {"site": "north", "Größe": "a b"}
    assert code_of(rekognition, "tag_resource", ResourceArn=arn, Tags={"aws:x": "y"}) == (
        "ValidationException"
    )
    rekognition.delete_collection(CollectionId=name)
    for operation in ("list_tags_for_resource", "tag_resource"):
        members = {"Tags": {"a": "b"}} if operation == "tag_resource" else {}
        code = code_of(rekognition, operation, ResourceArn=arn, **members)
        assert code == "ResourceNotFoundException"
    assert (
        code_of(rekognition, "list_tags_for_resource", ResourceArn="arn:aws:s3:::some-bucket-name")
        == "InvalidParameterException"
    )


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("create_user", {"UserId": "eileen"}, "ConflictException"),
        ("create_user", {"UserId": "e e"}, "ValidationException"),
        ("delete_user", {"UserId": "nobody"}, "ResourceNotFoundException"),
        ("list_faces", {"UserId": "nobody"}, "ResourceNotFoundException"),
        ("list_users", {"MaxResults": 501}, "ValidationException"),
        ("list_users", {"NextToken": "forged"}, "InvalidPaginationTokenException"),
        (
            "associate_faces",
            {"UserId": "nobody", "FaceIds": [str(uuid4())]},
            "ResourceNotFoundException",
        ),
        (
            "associate_faces",
            {"UserId": "eileen", "FaceIds": [str(uuid4())] * 101},
            "ValidationException",
        ),
        (
            "disassociate_faces",
            {"UserId": "nobody", "FaceIds": [str(uuid4())]},
            "ResourceNotFoundException",
        ),
        ("search_users", {}, "InvalidParameterException"),
        ("search_users", {"UserId": "eileen", "FaceId": str(uuid4())}, "InvalidParameterException"),
        ("search_users", {"UserId": "nobody"}, "ResourceNotFoundException"),
        ("search_users", {"FaceId": str(uuid4())}, "InvalidParameterException"),
        ("search_users_by_image", {"Image": {"Bytes": b"text"}}, "InvalidImageFormatException"),
    ],
)
def test_bad_input_gets_a_modelled_error(
    rekognition: Any, collection: str, operation: str, members: dict[str, Any], code: str
) -> None:
    rekognition.create_user(CollectionId=collection, UserId="eileen")
    assert code_of(rekognition, operation, CollectionId=collection, **members) == code
    assert code_of(rekognition, operation, CollectionId="nowhere", **members) in (
        "ResourceNotFoundException",
        "ValidationException",
        "InvalidParameterException",
    )
