"""DetectFaces through an unmodified boto3, on real photos, sent or in S3."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from PIL import Image

from tests.e2e.photos import Portraits, jpeg

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

    from tests.conftest import Server


@pytest.fixture
def s3(server: Server) -> S3Client:
    client: S3Client = server.client("s3")
    return client


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


def test_a_crowd_is_found_face_by_face_largest_first(
    rekognition: RekognitionClient, data: Path
) -> None:
    photo = (data / "groups" / "selfie-many-people.jpg").read_bytes()
    details = rekognition.detect_faces(Image={"Bytes": photo})["FaceDetails"]
    areas = [d["BoundingBox"]["Width"] * d["BoundingBox"]["Height"] for d in details]
    assert len(details) == 7
    assert areas == sorted(areas, reverse=True)
