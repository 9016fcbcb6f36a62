"""The operations through an unmodified boto3, on real photos."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

    from tests.conftest import Server

Portraits = dict[str, bytes]
Alteration = Callable[[Image.Image], Image.Image]


def jpeg(picture: Image.Image, quality: int = 92, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def altered(photo: bytes, alteration: Alteration, quality: int = 92) -> bytes:
    with Image.open(io.BytesIO(photo)) as picture:
        return jpeg(alteration(picture.convert("RGB")), quality)


def grown(picture: Image.Image, margin: int) -> Image.Image:
    return ImageOps.expand(picture, border=margin, fill="white")


@pytest.fixture
def rekognition(server: Server) -> RekognitionClient:
    client: RekognitionClient = server.client("rekognition")
    return client


@pytest.fixture
def s3(server: Server) -> S3Client:
    client: S3Client = server.client("s3")
    return client


@pytest.fixture
def collection(rekognition: RekognitionClient) -> Iterator[str]:
    name = f"staff-{uuid4().hex}"
    rekognition.create_collection(CollectionId=name)
    yield name
    rekognition.delete_collection(CollectionId=name)


@pytest.fixture
def staff(rekognition: RekognitionClient, collection: str, portraits: Portraits) -> dict[str, str]:
    """Index both portraits, and return their FaceIds by name."""
    return {
        name: rekognition.index_faces(
            CollectionId=collection, Image={"Bytes": photo}, ExternalImageId=name
        )["FaceRecords"][0]["Face"]["FaceId"]
        for name, photo in portraits.items()
    }


def test_a_collection_lives_from_create_to_delete(rekognition: RekognitionClient) -> None:
    name = f"life-{uuid4().hex}"
    made = rekognition.create_collection(CollectionId=name)
    assert made["StatusCode"] == 200
    assert made["CollectionArn"].endswith(f":collection/{name}")
    assert re.fullmatch(r"arn:aws:rekognition:[\w-]+:\d{12}:collection/.+", made["CollectionArn"])

    described = rekognition.describe_collection(CollectionId=name)
    assert described["FaceCount"] == 0
    assert described["CollectionARN"] == made["CollectionArn"]
    assert described["FaceModelVersion"] == made["FaceModelVersion"]
    assert described["CreationTimestamp"].tzinfo is not None

    assert name in rekognition.list_collections()["CollectionIds"]
    assert rekognition.delete_collection(CollectionId=name)["StatusCode"] == 200
    assert name not in rekognition.list_collections()["CollectionIds"]


def test_arns_name_the_region_that_the_client_is_set_to(server: Server) -> None:
    client = server.client("rekognition", region_name="eu-west-1")
    name = f"region-{uuid4().hex}"
    arn = client.create_collection(CollectionId=name, Tags={"team": "flight"})["CollectionArn"]
    assert arn == f"arn:aws:rekognition:eu-west-1:123456789012:collection/{name}"
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"team": "flight"}
    assert client.describe_collection(CollectionId=name)["CollectionARN"] == arn
    client.delete_collection(CollectionId=name)


def test_collections_are_listed_page_by_page(rekognition: RekognitionClient) -> None:
    names = [f"page-{uuid4().hex}" for _ in range(5)]
    for name in names:
        rekognition.create_collection(CollectionId=name)
    pages = rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2})
    listed = [name for page in pages for name in page["CollectionIds"]]
    assert [name for name in listed if name in names] == names
    for name in names:
        rekognition.delete_collection(CollectionId=name)


def test_a_photo_indexed_is_a_face_record_with_its_details(
    rekognition: RekognitionClient, collection: str, portraits: Portraits
) -> None:
    answer = rekognition.index_faces(
        CollectionId=collection,
        Image={"Bytes": portraits["eileen"]},
        ExternalImageId="eileen",
        DetectionAttributes=["ALL"],
    )
    (record,) = answer["FaceRecords"]
    assert answer["UnindexedFaces"] == []
    assert record["Face"]["ExternalImageId"] == "eileen"
    assert record["Face"]["Confidence"] > 90
    assert record["Face"]["BoundingBox"] == pytest.approx(record["FaceDetail"]["BoundingBox"])
    box = record["FaceDetail"]["BoundingBox"]
    marks = {mark["Type"]: mark for mark in record["FaceDetail"]["Landmarks"]}
    assert set(marks) == {"eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight"}
    assert marks["eyeLeft"]["X"] < marks["nose"]["X"] < marks["eyeRight"]["X"]
    assert marks["eyeLeft"]["Y"] < marks["nose"]["Y"] < marks["mouthLeft"]["Y"]
    for mark in marks.values():
        assert box["Left"] < mark["X"] < box["Left"] + box["Width"]
        assert box["Top"] < mark["Y"] < box["Top"] + box["Height"]
    assert abs(record["FaceDetail"]["Pose"]["Yaw"]) < 45
    assert 20 < record["FaceDetail"]["Quality"]["Brightness"] <= 100
    assert 20 < record["FaceDetail"]["Quality"]["Sharpness"] <= 100
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 1


ALTERATIONS: dict[str, tuple[Alteration, int]] = {
    "mirrored": (ImageOps.mirror, 92),
    "rotated": (
        lambda picture: picture.rotate(15, expand=True, resample=Image.Resampling.BICUBIC),
        92,
    ),
    "half size": (lambda picture: picture.reduce(2), 92),
    "rough": (lambda picture: picture, 40),
    "grey": (ImageOps.grayscale, 92),
    "darker": (lambda picture: ImageEnhance.Brightness(picture).enhance(0.6), 92),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize("name", ["eileen", "grace"])
def test_only_the_right_person_is_found_in_an_altered_photo(
    rekognition: RekognitionClient,
    collection: str,
    staff: dict[str, str],
    portraits: Portraits,
    name: str,
    alteration: str,
) -> None:
    photo = altered(portraits[name], *ALTERATIONS[alteration])
    answer = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": photo}, FaceMatchThreshold=90
    )
    (match,) = answer["FaceMatches"]
    assert match["Face"]["FaceId"] == staff[name]
    assert match["Face"]["ExternalImageId"] == name
    assert match["Similarity"] >= 90
    assert answer["SearchedFaceConfidence"] > 80
    assert 0 < answer["SearchedFaceBoundingBox"]["Width"] < 1


def test_every_face_is_ranked_at_threshold_0(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    answer = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": portraits["grace"]}, FaceMatchThreshold=0
    )
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [
        staff["grace"],
        staff["eileen"],
    ]
    assert answer["FaceMatches"][0]["Similarity"] > 99.9
    assert answer["FaceMatches"][1]["Similarity"] < 80


def test_a_stored_face_finds_similar_faces_and_never_itself(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    mirrored = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": altered(portraits["eileen"], ImageOps.mirror)}
    )["FaceRecords"][0]["Face"]["FaceId"]
    answer = rekognition.search_faces(CollectionId=collection, FaceId=staff["eileen"])
    assert answer["SearchedFaceId"] == staff["eileen"]
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [mirrored]
    alone = rekognition.search_faces(CollectionId=collection, FaceId=staff["grace"])
    assert alone["FaceMatches"] == []


def test_the_same_photo_indexed_twice_gives_the_same_face_ids(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    again = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}, ExternalImageId="eileen"
    )
    assert [record["Face"]["FaceId"] for record in again["FaceRecords"]] == [staff["eileen"]]
    other = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}, ExternalImageId="other"
    )
    assert other["FaceRecords"][0]["Face"]["FaceId"] != staff["eileen"]
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 3


def test_faces_beyond_max_faces_are_reported_as_exceeding_it(
    rekognition: RekognitionClient, collection: str, portraits: Portraits
) -> None:
    with (
        Image.open(io.BytesIO(portraits["eileen"])) as left,
        Image.open(io.BytesIO(portraits["grace"])) as right,
    ):
        pair = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
        pair.paste(left, (0, 0))
        pair.paste(right, (left.width, 0))
    answer = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": jpeg(pair)}, MaxFaces=1
    )
    (record,) = answer["FaceRecords"]
    (unindexed,) = answer["UnindexedFaces"]
    assert unindexed["Reasons"] == ["EXCEEDS_MAX_FACES"]
    kept, left_out = record["FaceDetail"]["BoundingBox"], unindexed["FaceDetail"]["BoundingBox"]
    assert kept["Width"] * kept["Height"] > left_out["Width"] * left_out["Height"]
    every = rekognition.index_faces(CollectionId=collection, Image={"Bytes": jpeg(pair)})
    assert len(every["FaceRecords"]) == 2
    assert every["FaceRecords"][0]["Face"]["FaceId"] == record["Face"]["FaceId"]


def test_max_faces_leaves_out_low_quality_before_small_faces(
    rekognition: Any, collection: str, portraits: Portraits
) -> None:
    large, small = (Image.open(io.BytesIO(each)).convert("RGB") for each in portraits.values())
    group = Image.new("RGB", (1000, 700), "white")
    group.paste(ImageEnhance.Brightness(large.resize((560, 700))).enhance(0.1), (0, 0))
    group.paste(small.resize((200, 250)), (680, 150))
    image = {"Bytes": jpeg(group)}
    every = rekognition.index_faces(CollectionId=collection, Image=image, QualityFilter="NONE")
    widths = [each["Face"]["BoundingBox"]["Width"] for each in every["FaceRecords"]]
    assert len(widths) == 2
    assert widths == sorted(widths, reverse=True)
    assert every["UnindexedFaces"] == []
    for quality, reason in (("NONE", "EXCEEDS_MAX_FACES"), ("AUTO", "LOW_BRIGHTNESS")):
        answer = rekognition.index_faces(
            CollectionId=collection, Image=image, QualityFilter=quality, MaxFaces=1
        )
        (record,) = answer["FaceRecords"]
        assert record["Face"]["BoundingBox"]["Left"] > 0.5
        (unindexed,) = answer["UnindexedFaces"]
        assert unindexed["Reasons"] == [reason]
    # Faces of the same quality: the smallest is left out.
    group.paste(large.resize((560, 700)), (0, 0))
    answer = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": jpeg(group)}, QualityFilter="NONE", MaxFaces=1
    )
    (record,) = answer["FaceRecords"]
    assert record["Face"]["BoundingBox"]["Left"] < 0.5


def test_max_faces_on_a_group_photo_keeps_the_best_then_the_largest(
    rekognition: Any, collection: str, data: Path
) -> None:
    image = {"Bytes": (data / "groups" / "selfie-many-people.jpg").read_bytes()}
    request = {"CollectionId": collection, "Image": image}
    every = rekognition.index_faces(**request, QualityFilter="NONE")["FaceRecords"]
    good = rekognition.index_faces(**request, QualityFilter="AUTO")["FaceRecords"]
    assert len(every) > 6
    for wanted in (1, 3, len(good), len(every) - 1, len(every), len(every) + 5):
        for quality, rest in (("AUTO", []), ("NONE", every)):
            answer = rekognition.index_faces(**request, QualityFilter=quality, MaxFaces=wanted)
            found = [each["Face"]["FaceId"] for each in answer["FaceRecords"]]
            best = [each["Face"]["FaceId"] for each in good][:wanted]
            assert set(best) <= set(found)
            assert len(found) == min(wanted, len(rest or good))
            areas = [
                each["FaceDetail"]["BoundingBox"]["Width"]
                * each["FaceDetail"]["BoundingBox"]["Height"]
                for each in answer["FaceRecords"]
            ]
            assert areas == sorted(areas, reverse=True)
            exceeding = [
                each for each in answer["UnindexedFaces"] if "EXCEEDS_MAX_FACES" in each["Reasons"]
            ]
            assert len(exceeding) == max(0, len(rest or good) - wanted)


@pytest.mark.parametrize(
    ("alteration", "reason"),
    [
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.12), "LOW_BRIGHTNESS"),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(9)), "LOW_SHARPNESS"),
        (
            lambda picture: grown(picture.resize((100, 100)), 150),
            "SMALL_BOUNDING_BOX",
        ),
    ],
)
def test_the_quality_filter_gives_reasons_for_unindexed_faces(
    rekognition: RekognitionClient,
    collection: str,
    portraits: Portraits,
    alteration: Alteration,
    reason: str,
) -> None:
    photo = altered(portraits["eileen"], alteration)
    strict = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": photo}, QualityFilter="HIGH"
    )
    assert strict["FaceRecords"] == []
    assert reason in strict["UnindexedFaces"][0]["Reasons"]
    lenient = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": photo}, QualityFilter="NONE"
    )
    assert len(lenient["FaceRecords"]) == 1


def test_the_exif_orientation_is_applied(
    rekognition: RekognitionClient, portraits: Portraits
) -> None:
    (upright,) = rekognition.detect_faces(Image={"Bytes": portraits["eileen"]})["FaceDetails"]
    with Image.open(io.BytesIO(portraits["eileen"])) as picture:
        exif = Image.Exif()
        exif[0x0112] = 6
        lying = jpeg(picture.convert("RGB").transpose(Image.Transpose.ROTATE_90), exif=exif)
    (turned,) = rekognition.detect_faces(Image={"Bytes": lying})["FaceDetails"]
    assert turned["BoundingBox"] == pytest.approx(upright["BoundingBox"], abs=0.02)


def test_a_photo_in_s3_is_read_from_there_in_the_version_asked_for(
    rekognition: RekognitionClient, s3: S3Client, portraits: Portraits
) -> None:
    bucket = f"photos-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="dir/me.jpg", Body=portraits["eileen"])
    s3.put_object(Bucket=bucket, Key="dir/me.jpg", Body=jpeg(Image.new("RGB", (200, 200))))
    latest = {"S3Object": {"Bucket": bucket, "Name": "dir/me.jpg"}}
    earlier = {"S3Object": {**latest["S3Object"], "Version": first["VersionId"]}}
    assert rekognition.detect_faces(Image=latest)["FaceDetails"] == []  # type: ignore[arg-type]
    assert len(rekognition.detect_faces(Image=earlier)["FaceDetails"]) == 1  # type: ignore[arg-type]


def test_faces_are_listed_page_by_page_and_by_id(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    for number in range(5):
        rekognition.index_faces(
            CollectionId=collection,
            Image={"Bytes": portraits["grace"]},
            ExternalImageId=f"copy-{number}",
        )
    pages = rekognition.get_paginator("list_faces").paginate(
        CollectionId=collection, PaginationConfig={"PageSize": 3}
    )
    listed = [face for page in pages for face in page["Faces"]]
    assert len(listed) == len({face["FaceId"] for face in listed}) == 7
    assert {face["IndexFacesModelVersion"] for face in listed} == {"7.1"}
    named = rekognition.list_faces(CollectionId=collection, FaceIds=[staff["eileen"]])["Faces"]
    assert [face["ExternalImageId"] for face in named] == ["eileen"]


def test_deleted_faces_are_not_found_and_unknown_ones_are_reported(
    rekognition: RekognitionClient, collection: str, staff: dict[str, str], portraits: Portraits
) -> None:
    unknown = str(uuid4())
    answer = rekognition.delete_faces(
        CollectionId=collection, FaceIds=[staff["eileen"], unknown, staff["eileen"]]
    )
    assert answer["DeletedFaces"] == [staff["eileen"]]
    assert answer["UnsuccessfulFaceDeletions"] == [
        {"FaceId": unknown, "Reasons": ["FACE_NOT_FOUND"]}
    ]
    found = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}
    )
    assert found["FaceMatches"] == []
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 1


def test_the_faces_of_a_couple_are_distinguished(
    rekognition: RekognitionClient, collection: str, data: Path
) -> None:
    photo = (data / "groups" / "couple.jpg").read_bytes()
    records = rekognition.index_faces(CollectionId=collection, Image={"Bytes": photo})[
        "FaceRecords"
    ]
    assert len(records) == 2
    for record in records:
        matches = rekognition.search_faces(
            CollectionId=collection, FaceId=record["Face"]["FaceId"]
        )["FaceMatches"]
        assert matches == []


def test_a_crowd_is_found_face_by_face_largest_first(
    rekognition: RekognitionClient, data: Path
) -> None:
    photo = (data / "groups" / "selfie-many-people.jpg").read_bytes()
    details = rekognition.detect_faces(Image={"Bytes": photo})["FaceDetails"]
    areas = [d["BoundingBox"]["Width"] * d["BoundingBox"]["Height"] for d in details]
    assert len(details) == 7
    assert areas == sorted(areas, reverse=True)


def test_every_answer_carries_its_request_id(rekognition: RekognitionClient) -> None:
    answers = [rekognition.list_collections()["ResponseMetadata"] for _ in range(2)]
    ids = {answer["RequestId"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f-]{36}", request_id) for request_id in ids)
