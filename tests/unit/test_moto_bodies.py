"""S3 stores the bytes and the content type that clients send, whatever the type is."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3
from botocore.config import Config

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi

# Bytes that are neither text nor a form, though they contain the characters that separate fields.
PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"&Action=AssumeRoleWithSAML&x=%ff\xff\xd9"
FORM = "application/x-www-form-urlencoded"
SIGNED = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, Signature=0"
TYPES = [
    FORM,
    f"{FORM}; charset=UTF-8",
    "multipart/form-data",
    "multipart/form-data; boundary=photo",
    "image/jpeg",
    "application/json",
    "text/plain;charset=utf-8",
    None,
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    listener = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=4)
    listener.start()
    yield listener.url
    listener.stop()


@pytest.fixture(scope="module")
def s3(url: str) -> Any:
    session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
    client = session.client("s3", endpoint_url=url, config=config)
    client.create_bucket(Bucket="photos")
    return client


def send(method: str, address: str, body: bytes, kind: str | None) -> None:
    # As curl does with --aws-sigv4, which adds no header of its own. A presigned URL has its own.
    headers = {} if "X-Amz-Credential" in address else {"Authorization": SIGNED}
    if kind is not None:
        headers["Content-Type"] = kind
    response = urllib3.request(method, address, body=body, headers=headers)
    assert response.status < 300, response.data


def read(s3: Any, key: str) -> tuple[bytes, str]:
    stored = s3.get_object(Bucket="photos", Key=key)
    return stored["Body"].read(), stored["ContentType"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("presigned", [False, True])
def test_a_put_stores_the_bytes_and_the_type(
    url: str, s3: Any, presigned: bool, kind: str | None
) -> None:
    parameters = {"Bucket": "photos", "Key": "put.jpg"}
    signed = s3.generate_presigned_url("put_object", Params=parameters)
    send("PUT", signed if presigned else f"{url}/photos/put.jpg", PHOTO, kind)
    assert read(s3, "put.jpg") == (PHOTO, kind or "binary/octet-stream")


@pytest.mark.parametrize("kind", TYPES)
def test_a_chunked_put_stores_the_bytes(url: str, s3: Any, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    pieces = iter([PHOTO[:1000], PHOTO[1000:]])
    key = f"chunked-{TYPES.index(kind)}.jpg"  # an unsigned request may replace no object
    response = urllib3.request("PUT", f"{url}/photos/{key}", body=pieces, headers=headers)
    assert response.status == 200
    assert read(s3, key)[0] == PHOTO


def test_urllib_of_python_puts_what_it_reads(s3: Any) -> None:
    parameters = {"Bucket": "photos", "Key": "urllib.jpg"}
    address = s3.generate_presigned_url("put_object", Params=parameters)
    with urllib.request.urlopen(urllib.request.Request(address, PHOTO, method="PUT")) as response:
        assert response.status == 200
    assert read(s3, "urllib.jpg") == (PHOTO, FORM)


@pytest.mark.parametrize("kind", TYPES)
def test_parts_of_an_upload_and_the_list_of_parts_arrive(
    url: str, s3: Any, kind: str | None
) -> None:
    made = s3.create_multipart_upload(Bucket="photos", Key="large.jpg", ContentType="image/jpeg")
    address = f"{url}/photos/large.jpg?uploadId={made['UploadId']}"
    send("PUT", f"{address}&partNumber=1", PHOTO, kind)
    (part,) = s3.list_parts(Bucket="photos", Key="large.jpg", UploadId=made["UploadId"])["Parts"]
    listed = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{part['ETag']}</ETag></Part></CompleteMultipartUpload>"
    )
    send("POST", address, listed.encode(), kind)
    assert read(s3, "large.jpg") == (PHOTO, "image/jpeg")


@pytest.mark.parametrize("kind", TYPES)
def test_configurations_and_deletions_arrive(url: str, s3: Any, kind: str | None) -> None:
    s3.put_object(Bucket="photos", Key="tagged", Body=b"-")
    tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b=c+d</Value></Tag></TagSet></Tagging>"
    send("PUT", f"{url}/photos/tagged?tagging", tags, kind)
    stored = s3.get_object_tagging(Bucket="photos", Key="tagged")["TagSet"]
    assert stored == [{"Key": "a", "Value": "b=c+d"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [], "Id": str(kind)})
    send("PUT", f"{url}/photos?policy", policy.encode(), kind)
    assert json.loads(s3.get_bucket_policy(Bucket="photos")["Policy"]) == json.loads(policy)
    s3.delete_bucket_policy(Bucket="photos")
    listed = b"<Delete><Object><Key>tagged</Key></Object></Delete>"
    send("POST", f"{url}/photos?delete", listed, kind)
    names = [each["Key"] for each in s3.list_objects_v2(Bucket="photos").get("Contents", ())]
    assert "tagged" not in names


def test_a_form_of_a_browser_uploads_its_file(url: str, s3: Any) -> None:
    post = s3.generate_presigned_post(
        "photos",
        "album/${filename}",
        Fields={"Content-Type": "image/jpeg", "x-amz-meta-my_key": "kept"},
        Conditions=[["starts-with", "$Content-Type", "image/"]],
    )
    address = f"{url}{urlsplit(post['url']).path}"
    fields = {**post["fields"], "file": ("ann.jpg", PHOTO, "image/jpeg")}
    response = urllib3.request("POST", address, fields=fields)
    assert response.status == 204, response.data
    assert read(s3, "album/ann.jpg") == (PHOTO, "image/jpeg")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (FORM, b"key=made-by-a-form", 412),
        ("text/plain", b"key=made-by-a-form", 412),
        ("multipart/form-data", b"--b", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nmade-by-a-form\r\n--b--\r\n", 400),
    ],
)
def test_a_post_that_is_no_form_with_a_key_stores_nothing(
    url: str, s3: Any, kind: str, body: bytes, status: int
) -> None:
    response = urllib3.request("POST", f"{url}/photos", body=body, headers={"Content-Type": kind})
    assert response.status == status
    names = [each["Key"] for each in s3.list_objects_v2(Bucket="photos").get("Contents", ())]
    assert "made-by-a-form" not in names


def test_query_protocols_still_read_their_forms(url: str) -> None:
    session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
    topics = session.client("sns", endpoint_url=url)
    assert topics.create_topic(Name="made").get("TopicArn")
    assert session.client("sts", endpoint_url=url).get_caller_identity()["Account"]
