"""S3 answers clients' mistakes with S3's errors, which SDKs do not repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.unit.moto_s3 import s3_client

BUCKET = f"mistakes-{uuid4().hex}"
SOURCE = f"{BUCKET}/ann.jpg"
PARTS = {"Parts": [{"PartNumber": 1, "ETag": "0"}]}
NONE: dict[str, str] = {"Bucket": BUCKET, "Key": "film.mp4", "UploadId": "none"}
SMALLEST = 5 << 20  # bytes of a part that is not the last


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with s3_client() as client:
        client.create_bucket(Bucket=BUCKET)
        for name in ("ann.jpg", "eve.jpg", "kim.jpg"):
            client.put_object(Bucket=BUCKET, Key=name, Body=b"0123456789")
        yield client


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        (lambda s3: s3.upload_part(**NONE, PartNumber=1, Body=b""), "NoSuchUpload", 404),
        (
            lambda s3: s3.upload_part_copy(**NONE, PartNumber=1, CopySource=SOURCE),
            "NoSuchUpload",
            404,
        ),
        (
            lambda s3: s3.complete_multipart_upload(**NONE, MultipartUpload=PARTS),
            "NoSuchUpload",
            404,
        ),
        (
            lambda s3: s3.list_objects_v2(Bucket=BUCKET, ContinuationToken="none"),
            "InvalidArgument",
            400,
        ),
    ],
)
def test_an_upload_or_a_page_that_does_not_exist_is_refused(
    s3: Any, call: Callable[[Any], object], code: str, status: int
) -> None:
    with pytest.raises(ClientError) as refused:
        call(s3)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_all_pages_of_a_list_are_read(s3: Any) -> None:
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="", PaginationConfig={"PageSize": 1}
    )
    names = [each["Key"] for page in pages for each in page["Contents"]]
    assert {"ann.jpg", "eve.jpg", "kim.jpg"} <= set(names)


@pytest.mark.parametrize(("order", "accepted"), [((1, 2), True), ((2, 1), False), ((1, 1), False)])
def test_the_parts_of_an_upload_are_in_order(
    s3: Any, order: tuple[int, ...], accepted: bool
) -> None:
    film = {"Bucket": BUCKET, "Key": "film.mp4"}
    film["UploadId"] = s3.create_multipart_upload(**film)["UploadId"]
    etags = {
        number: s3.upload_part(**film, PartNumber=number, Body=bytes([number]) * SMALLEST)["ETag"]
        for number in (1, 2)
    }
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in order]
    if accepted:
        s3.complete_multipart_upload(**film, MultipartUpload={"Parts": parts})
        stored = s3.get_object(Bucket=BUCKET, Key="film.mp4")["Body"].read()
        assert stored == b"\1" * SMALLEST + b"\2" * SMALLEST
    else:
        with pytest.raises(ClientError, match="InvalidPartOrder"):
            s3.complete_multipart_upload(**film, MultipartUpload={"Parts": parts})
