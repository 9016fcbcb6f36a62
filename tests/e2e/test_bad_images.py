"""Images that cannot be used get a modelled error and a sentence, through a real boto3 client."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from PIL import Image

from tests.e2e.unchecked import UNCHECKED, refused

if TYPE_CHECKING:
    from tests.conftest import Server


@pytest.fixture
def rekognition(server: Server) -> Any:
    return server.client("rekognition", config=UNCHECKED)


def encoded(picture: Image.Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"not an image", b"GIF89a" + b"\0" * 200, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" + b"\0" * 99],
)
def test_bytes_that_are_not_an_image_are_refused(rekognition: Any, data: bytes) -> None:
    code, message, _ = refused(rekognition, "detect_faces", Image={"Bytes": data})
    assert code == "InvalidImageFormatException"
    assert message


@pytest.mark.parametrize("name", ["eileen", "grace"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_an_image_that_is_cut_off(
    rekognition: Any, portraits: dict[str, bytes], name: str, share: float
) -> None:
    photo = portraits[name]
    code, message, _ = refused(
        rekognition, "detect_faces", Image={"Bytes": photo[: int(len(photo) * share)]}
    )
    assert code == "InvalidImageFormatException"
    assert "truncated" in message


def test_an_image_too_small_to_hold_a_face(rekognition: Any) -> None:
    photo = encoded(Image.new("RGB", (1, 1)), "PNG")
    code, message, _ = refused(rekognition, "detect_faces", Image={"Bytes": photo})
    assert code == "InvalidParameterException"
    assert "1 x 1 pixels" in message


def test_an_image_of_a_hundred_megapixels(rekognition: Any) -> None:
    photo = encoded(Image.new("1", (10_000, 10_000)), "PNG")
    assert len(photo) < 100_000
    code, message, _ = refused(rekognition, "detect_faces", Image={"Bytes": photo})
    assert code == "ImageTooLargeException"
    assert "10000 x 10000" in message


@pytest.mark.parametrize("kind", ["PNG", "progressive JPEG", "PNG of 1 x 64,000,000"])
def test_images_that_would_exhaust_the_server_are_refused_with_the_limit(
    rekognition: Any, kind: str
) -> None:
    size = (1, 64_000_000) if "1 x" in kind else (8000, 8000)
    buffer = io.BytesIO()
    Image.new("L", size).save(
        buffer, kind.split()[-1] if "JPEG" in kind else "PNG", progressive=True
    )
    code, message, _ = refused(rekognition, "detect_faces", Image={"Bytes": buffer.getvalue()})
    assert code == "ImageTooLargeException"
    assert f"{size[0]} x {size[1]} pixels; send at most 25000000 pixels." in message


@pytest.mark.parametrize("member", ["SourceImage", "TargetImage"])
def test_a_comparison_is_refused_with_the_name_of_the_wrong_image(
    rekognition: Any, portraits: dict[str, bytes], member: str
) -> None:
    face = {"Bytes": portraits["grace"]}
    large = {"Bytes": encoded(Image.new("1", (8000, 8000)), "PNG")}
    small = {"Bytes": encoded(Image.new("1", (8, 8)), "PNG")}
    faults: list[tuple[dict[str, Any], tuple[str, str]]] = [
        (large, ("ImageTooLargeException", "Image size is too large.")),
        (small, ("InvalidParameterException", "Request has invalid parameters.")),
        ({"Bytes": b"text"}, ("InvalidImageFormatException", "Request has invalid image format.")),
        ({}, ("InvalidParameterException", "Request has invalid parameters.")),
        ({"S3Object": {}}, ("InvalidS3ObjectException", "Request has invalid S3 object.")),
    ]
    for wrong, expected in faults:
        images = {"SourceImage": face, "TargetImage": face, member: wrong}
        code, message, _ = refused(rekognition, "compare_faces", **images)
        assert code == expected[0]
        assert message.startswith(f"{expected[1]} {member}: ")


def test_a_photo_without_its_last_bytes_is_searched_and_one_without_its_last_rows_is_not(
    rekognition: Any, portraits: dict[str, bytes]
) -> None:
    with Image.open(io.BytesIO(portraits["grace"])) as portrait:
        photo = encoded(portrait.convert("RGB"))
    faces = rekognition.detect_faces(Image={"Bytes": photo})["FaceDetails"]
    assert len(faces) == 1
    for cut in (photo[:-2], photo[:-2] + b"\0\0", photo[:-1], photo + b"trailing"):
        assert rekognition.detect_faces(Image={"Bytes": cut})["FaceDetails"] == faces
    for cut in (photo[:-500], photo[:-500] + b"\xff\xd9"):
        code, message, _ = refused(rekognition, "detect_faces", Image={"Bytes": cut})
        assert code == "InvalidImageFormatException"
        assert "truncated" in message


def test_an_image_without_a_face(rekognition: Any, collection: str) -> None:
    blank = {"Bytes": encoded(Image.new("RGB", (300, 300), "steelblue"))}
    assert rekognition.detect_faces(Image=blank)["FaceDetails"] == []
    indexed = rekognition.index_faces(CollectionId=collection, Image=blank)
    assert indexed["FaceRecords"] == indexed["UnindexedFaces"] == []
    code, message, _ = refused(
        rekognition, "search_faces_by_image", CollectionId=collection, Image=blank
    )
    assert code == "InvalidParameterException"
    assert "no faces in the image" in message


@pytest.mark.parametrize(
    "image", [{}, {"Bytes": b"x", "S3Object": {"Bucket": "photos", "Name": "a.jpg"}}]
)
def test_an_image_given_twice_or_not_at_all(rekognition: Any, image: dict[str, Any]) -> None:
    code, message, _ = refused(rekognition, "detect_faces", Image=image)
    assert code == "InvalidParameterException"
    assert "either Bytes or S3Object" in message


def test_an_s3_object_that_cannot_be_read_is_refused(server: Server, rekognition: Any) -> None:
    bucket = f"bad-{uuid4().hex}"
    server.client("s3").create_bucket(Bucket=bucket)
    for place in (
        {"Bucket": bucket, "Name": "missing.jpg"},
        {"Bucket": "there-is-no-such-bucket", "Name": "a.jpg"},
        {"Bucket": bucket},
        {},
    ):
        code, message, status = refused(rekognition, "detect_faces", Image={"S3Object": place})
        assert (code, status) == ("InvalidS3ObjectException", 400)
        assert "Bucket" in message or "bucket" in message or "Name" in message


def test_an_s3_object_over_fifteen_megabytes(server: Server, rekognition: Any) -> None:
    bucket = f"bad-{uuid4().hex}"
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="big.jpg", Body=b"\xff\xd8\xff" + b"\0" * 15_728_640)
    place = {"Bucket": bucket, "Name": "big.jpg"}
    code, message, _ = refused(rekognition, "detect_faces", Image={"S3Object": place})
    assert code == "ImageTooLargeException"
    assert "15728643 bytes" in message
