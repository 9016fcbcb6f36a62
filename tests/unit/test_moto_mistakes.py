"""S3 answers clients' mistakes with S3's errors, which SDKs do not repeat."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
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


def md5_of(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@pytest.mark.parametrize(
    "checksum",
    [
        {"ContentMD5": md5_of(b"film")},
        {"ChecksumCRC32": base64.b64encode(zlib.crc32(b"film").to_bytes(4, "big")).decode()},
        {"ChecksumSHA1": base64.b64encode(hashlib.sha1(b"film").digest()).decode()},
        {"ChecksumSHA256": base64.b64encode(hashlib.sha256(b"film").digest()).decode()},
    ],
    ids=lambda checksum: next(iter(checksum)),
)
def test_a_body_with_another_checksum_is_refused_and_not_stored(
    s3: Any, checksum: dict[str, str]
) -> None:
    name = {"Bucket": BUCKET, "Key": f"{next(iter(checksum))}.mp4"}
    with pytest.raises(ClientError) as refused:
        s3.put_object(**name, Body=b"f1lm", **checksum)
    assert refused.value.response["Error"]["Code"] == "BadDigest"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(**name)
    s3.put_object(**name, Body=b"film", **checksum)
    assert s3.get_object(**name)["Body"].read() == b"film"
    upload = s3.create_multipart_upload(**name)["UploadId"]
    part = {**name, "UploadId": upload, "PartNumber": 1, **checksum}
    with pytest.raises(ClientError, match="BadDigest"):
        s3.upload_part(**part, Body=b"f1lm")
    assert "Parts" not in s3.list_parts(**name, UploadId=upload)
    s3.upload_part(**part, Body=b"film")


@pytest.mark.parametrize(("body", "status"), [(b"f1lm", 400), (b"film", 200)])
def test_a_checksum_after_the_body_is_compared(s3: Any, body: bytes, status: int) -> None:
    # A photo may contain what looks like a checksum.
    content = b"\nx-amz-checksum-crc32:AAAAAA==\r\n" + body
    crc = base64.b64encode(zlib.crc32(content.replace(b"f1", b"fi")).to_bytes(4, "big"))
    sent = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(content), content, crc)
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request",
        "Content-Encoding": "aws-chunked",
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Decoded-Content-Length": str(len(content)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "X-Amz-Sdk-Checksum-Algorithm": "CRC32",
    }
    url = f"{s3.meta.endpoint_url}/{BUCKET}/trailer-{status}.mp4"
    answer = requests.put(url, data=sent, headers=headers, timeout=10)
    assert answer.status_code == status, answer.text
