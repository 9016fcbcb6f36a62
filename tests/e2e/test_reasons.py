"""The limit of a user's faces, and reasons why faces are not associated, deleted or searched."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from tests.conftest import Server

Portraits = dict[str, bytes]


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def opened(photo: bytes) -> Image.Image:
    return Image.open(io.BytesIO(photo)).convert("RGB")


def small(photo: bytes, side: int) -> Image.Image:
    """Return the photo at a smaller scale, within a white image of the minimum size."""
    return ImageOps.expand(opened(photo).resize((side, side)), border=150, fill="white")


def refused(client: Any, operation: str, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def rekognition(server: Server) -> Any:
    return server.client("rekognition", config=Config(parameter_validation=False))


@pytest.fixture
def collection(rekognition: Any) -> Iterator[str]:
    name = f"reasons-{uuid4().hex}"
    rekognition.create_collection(CollectionId=name)
    yield name
    rekognition.delete_collection(CollectionId=name)


def index(client: Any, collection: str, photo: bytes, copies: int) -> list[str]:
    """Index a photo several times under different names, and return the FaceIds."""
    return [
        client.index_faces(
            CollectionId=collection,
            Image={"Bytes": photo},
            ExternalImageId=f"{uuid4().hex}",
            MaxFaces=1,
        )["FaceRecords"][0]["Face"]["FaceId"]
        for _ in range(copies)
    ]


@pytest.fixture
def ann_and_ben(rekognition: Any, collection: str, portraits: Portraits) -> dict[str, list[str]]:
    """Return two users with two faces each, all of the same photo."""
    faces = index(rekognition, collection, portraits["grace"], 4)
    shared = {"ann": faces[:2], "ben": faces[2:]}
    for name, ids in shared.items():
        rekognition.create_user(CollectionId=collection, UserId=name)
        rekognition.associate_faces(CollectionId=collection, UserId=name, FaceIds=ids)
    return shared


def test_a_user_takes_a_hundred_faces_and_no_more(
    rekognition: Any, collection: str, portraits: Portraits
) -> None:
    small_photo = jpeg(opened(portraits["grace"]).resize((240, 300)))
    faces = index(rekognition, collection, small_photo, 105)
    user = {"CollectionId": collection, "UserId": "ann"}
    rekognition.create_user(**user)
    assert len(rekognition.associate_faces(**user, FaceIds=faces[:95])["AssociatedFaces"]) == 95
    answer = rekognition.associate_faces(**user, FaceIds=faces[90:])
    # Faces that the user already has are ignored, the next five fit, the others do not fit.
    assert [face["FaceId"] for face in answer["AssociatedFaces"]] == faces[95:100]
    surplus = answer["UnsuccessfulFaceAssociations"]
    assert [face["FaceId"] for face in surplus] == faces[100:]
    assert {face["UserId"] for face in surplus} == {"ann"}
    code, message = refused(rekognition, "associate_faces", **user, FaceIds=faces[100:])
    assert code == "ServiceQuotaExceededException"
    assert "maximum of 100 faces" in message
    owned = rekognition.list_faces(**user)["Faces"]
    assert {face["FaceId"] for face in owned} == set(faces[:100])
    # After one is removed, one fits.
    rekognition.disassociate_faces(**user, FaceIds=faces[:1])
    assert len(rekognition.associate_faces(**user, FaceIds=faces[104:])["AssociatedFaces"]) == 1


def test_each_face_that_was_not_disassociated_has_its_reason(
    rekognition: Any, collection: str, ann_and_ben: dict[str, list[str]], portraits: Portraits
) -> None:
    (unassigned,) = index(rekognition, collection, portraits["eileen"], 1)
    unknown = str(uuid4())
    answer = rekognition.disassociate_faces(
        CollectionId=collection,
        UserId="ann",
        FaceIds=[ann_and_ben["ann"][0], ann_and_ben["ben"][0], unknown, unassigned],
    )
    assert answer["DisassociatedFaces"] == [{"FaceId": ann_and_ben["ann"][0]}]
    assert sorted(answer["UnsuccessfulFaceDisassociations"], key=str) == sorted(
        [
            {"FaceId": unknown, "Reasons": ["FACE_NOT_FOUND"]},
            {
                "FaceId": ann_and_ben["ben"][0],
                "UserId": "ben",
                "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"],
            },
        ],
        key=str,
    )
    assert answer["UserStatus"] == "ACTIVE"


def test_each_face_that_was_not_associated_has_its_reason(
    rekognition: Any, collection: str, ann_and_ben: dict[str, list[str]], portraits: Portraits
) -> None:
    (stranger,) = index(rekognition, collection, portraits["eileen"], 1)
    unknown = str(uuid4())
    answer = rekognition.associate_faces(
        CollectionId=collection,
        UserId="ann",
        FaceIds=[*ann_and_ben["ann"], ann_and_ben["ben"][0], stranger, unknown],
    )
    assert answer["AssociatedFaces"] == []
    failures = {face["FaceId"]: face for face in answer["UnsuccessfulFaceAssociations"]}
    assert failures.keys() == {ann_and_ben["ben"][0], stranger, unknown}
    assert failures[unknown] == {"FaceId": unknown, "Reasons": ["FACE_NOT_FOUND"]}
    assert failures[ann_and_ben["ben"][0]] == {
        "FaceId": ann_and_ben["ben"][0],
        "UserId": "ben",
        "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"],
    }
    assert failures[stranger]["Reasons"] == ["LOW_MATCH_CONFIDENCE"]
    assert failures[stranger]["UserId"] == "ann"
    assert 0 <= failures[stranger]["Confidence"] < 75


def test_each_face_that_was_not_deleted_has_its_reason(
    rekognition: Any, collection: str, ann_and_ben: dict[str, list[str]], portraits: Portraits
) -> None:
    (unassigned,) = index(rekognition, collection, portraits["eileen"], 1)
    unknown = str(uuid4())
    answer = rekognition.delete_faces(
        CollectionId=collection, FaceIds=[unknown, unassigned, ann_and_ben["ben"][1]]
    )
    assert answer["DeletedFaces"] == [unassigned]
    assert answer["UnsuccessfulFaceDeletions"] == [
        {"FaceId": unknown, "Reasons": ["FACE_NOT_FOUND"]},
        {
            "FaceId": ann_and_ben["ben"][1],
            "UserId": "ben",
            "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"],
        },
    ]


@pytest.mark.parametrize("operation", ["associate_faces", "disassociate_faces", "delete_user"])
def test_a_token_repeats_its_answer_and_is_refused_for_another_request(
    rekognition: Any, collection: str, ann_and_ben: dict[str, list[str]], operation: str
) -> None:
    lists = {} if operation == "delete_user" else {"FaceIds": ann_and_ben["ann"]}
    request = {
        "CollectionId": collection,
        "UserId": "ann",
        "ClientRequestToken": "once",
        **lists,
    }
    first, second = (getattr(rekognition, operation)(**request) for _ in range(2))
    for answer in (first, second):
        del answer["ResponseMetadata"]
    assert first == second
    other = {**request, "UserId": "ben"}
    code, message = refused(rekognition, operation, **other)
    assert code == "IdempotentParameterMismatchException"
    assert "ClientRequestToken" in message
    kept = rekognition.list_faces(CollectionId=collection, UserId="ben")["Faces"]
    assert {face["FaceId"] for face in kept} == set(ann_and_ben["ben"])


def test_faces_are_listed_by_user_and_by_id_together(
    rekognition: Any, collection: str, ann_and_ben: dict[str, list[str]]
) -> None:
    both = [ann_and_ben["ann"][0], ann_and_ben["ben"][0], str(uuid4())]
    by_id = rekognition.list_faces(CollectionId=collection, FaceIds=both)["Faces"]
    assert {face["FaceId"]: face["UserId"] for face in by_id} == {both[0]: "ann", both[1]: "ben"}
    narrowed = rekognition.list_faces(CollectionId=collection, FaceIds=both, UserId="ben")["Faces"]
    assert [face["FaceId"] for face in narrowed] == [both[1]]
    # A page token is valid only for the filters for which it was issued.
    token = rekognition.list_faces(CollectionId=collection, UserId="ann", MaxResults=1)["NextToken"]
    code, message = refused(
        rekognition, "list_faces", CollectionId=collection, UserId="ben", NextToken=token
    )
    assert code == "InvalidPaginationTokenException"
    assert "NextToken" in message


def test_matches_contain_their_user_and_external_image_id(
    rekognition: Any, collection: str, ann_and_ben: dict[str, list[str]], portraits: Portraits
) -> None:
    photo = {"Bytes": portraits["grace"]}
    found = rekognition.search_faces_by_image(CollectionId=collection, Image=photo)["FaceMatches"]
    assert {match["Face"]["FaceId"]: match["Face"]["UserId"] for match in found} == {
        face: name for name, faces in ann_and_ben.items() for face in faces
    }
    users = rekognition.search_users_by_image(CollectionId=collection, Image=photo, MaxUsers=1)
    (match,) = users["UserMatches"]
    assert match["User"]["UserStatus"] == "ACTIVE"
    assert match["User"]["UserId"] in ann_and_ben
    assert match["Similarity"] > 99


# Portraits such that each level of the quality filter rejects one more.
FLAWED = {
    "LOW": lambda photo: ImageEnhance.Brightness(opened(photo)).enhance(0.05),
    "MEDIUM": lambda photo: ImageEnhance.Brightness(opened(photo)).enhance(0.2),
    "HIGH": lambda photo: small(photo, 200),
}


@pytest.mark.parametrize("bar", FLAWED)
def test_a_face_below_the_bar_is_not_compared(
    rekognition: Any, portraits: Portraits, bar: str
) -> None:
    flawed = {"Bytes": jpeg(FLAWED[bar](portraits["eileen"]))}
    whole = {"Bytes": portraits["eileen"]}
    bars = ("NONE", "LOW", "MEDIUM", "HIGH")
    clears = bars[: bars.index(bar)]
    for quality in bars:
        for source, target, side in ((flawed, whole, "source"), (whole, flawed, "target")):
            images = {"SourceImage": source, "TargetImage": target, "QualityFilter": quality}
            if quality in clears:
                answer = rekognition.compare_faces(**images, SimilarityThreshold=0)
                assert len(answer["FaceMatches"]) == 1
            else:
                code, message = refused(rekognition, "compare_faces", **images)
                assert code == "InvalidParameterException"
                assert f"no faces in the {side} image that pass the quality filter" in message


def test_each_face_that_was_not_searched_has_its_reasons(
    rekognition: Any, collection: str, portraits: Portraits
) -> None:
    good = opened(portraits["eileen"])
    others = {
        "FACE_NOT_LARGEST": opened(portraits["grace"]).resize((400, 400)),
        "LOW_BRIGHTNESS": ImageEnhance.Brightness(good.resize((480, 480))).enhance(0.2),
        "LOW_SHARPNESS": good.resize((460, 460)).filter(ImageFilter.GaussianBlur(9)),
        "SMALL_BOUNDING_BOX": good.resize((170, 170)),
    }
    field = Image.new("RGB", (1200 + 3 * 512, 1200), "white")
    field.paste(good.resize((1100, 1100)), (0, 50))
    for number, picture in enumerate(others.values()):
        field.paste(picture, (1200 + number % 2 * 600, number // 2 * 600))
    answer = rekognition.search_users_by_image(
        CollectionId=collection, Image={"Bytes": jpeg(field)}, QualityFilter="MEDIUM"
    )
    assert answer["SearchedFace"]["FaceDetail"]["BoundingBox"]["Left"] < 0.4
    reasons = [reason for face in answer["UnsearchedFaces"] for reason in face["Reasons"]]
    assert set(reasons) == set(others)
    assert len(answer["UnsearchedFaces"]) == len(others)
    for face in answer["UnsearchedFaces"]:
        assert face["FaceDetails"]["BoundingBox"]["Left"] > 0.4


def test_a_collection_has_at_most_fifty_tags(rekognition: Any, collection: str) -> None:
    arn = rekognition.describe_collection(CollectionId=collection)["CollectionARN"]
    fifty = {f"tag-{number}": "" for number in range(50)}
    rekognition.tag_resource(ResourceArn=arn, Tags=fifty)
    rekognition.tag_resource(ResourceArn=arn, Tags={"tag-7": "changed"})
    code, message = refused(rekognition, "tag_resource", ResourceArn=arn, Tags={"another": ""})
    assert code == "ServiceQuotaExceededException"
    assert "50 tags" in message
    tags = rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert tags == {**fifty, "tag-7": "changed"}
    name = f"reasons-{uuid4().hex}"
    more = {f"tag-{number}": "" for number in range(51)}
    code, _ = refused(rekognition, "create_collection", CollectionId=name, Tags=more)
    assert code == "ServiceQuotaExceededException"
    assert name not in rekognition.list_collections()["CollectionIds"]
