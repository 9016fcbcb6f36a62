"""Bodies, presigned URLs and upload forms are verified as S3 does, and nothing else passes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from facedex.store.access_keys import Credentials
from tests.unit.guarded import (
    FULL,
    READER,
    STRANGER,
    WRONG,
    ask,
    client,
    keys,
    running_with,
    stored,
)

BUCKET = "guarded-pictures"
OTHER = "guarded-others"
# Version 2 is what boto3 signs URLs with by default in us-east-1.
VERSIONS: list[dict[str, Any]] = [
    {"region": "us-east-1"},
    {"region": "us-east-1", "signature_version": "s3v4"},
    {},
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_with(BUCKET, OTHER) as address:
        yield address


class Signer(S3SigV4Auth):
    """A signer that signs a given text in place of the body's digest."""

    def __init__(self, payload: str, key: Credentials = FULL) -> None:
        secrets = ReadOnlyCredentials(key.key.access_key_id, key.secret, None)
        super().__init__(secrets, "s3", "us-east-1")
        self._payload = payload

    def payload(self, request: Any) -> str:  # noqa: ARG002
        return self._payload


def put(
    url: str, key: str, body: bytes, payload: str, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    request = AWSRequest("PUT", f"{url}/{BUCKET}/{key}", headers=headers or {})
    Signer(payload).add_auth(request)
    return ask("PUT", f"{url}/{BUCKET}/{key}", body, dict(request.headers.items()))


def test_the_body_must_have_the_digest_that_was_signed(url: str) -> None:
    digest = hashlib.sha256(b"body").hexdigest()
    assert put(url, "digest", b"body", digest)[0] == 200
    for other in (b"Body", b"", b"body "):
        status, answer = put(url, "other-digest", other, digest)
        assert status == 400
        assert "XAmzContentSHA256Mismatch" in answer
    assert "other-digest" not in keys(url, BUCKET)


def test_an_unsigned_payload_is_accepted_if_the_signature_says_so(url: str) -> None:
    assert put(url, "unsigned", b"anything", "UNSIGNED-PAYLOAD")[0] == 200
    assert stored(url, BUCKET, "unsigned") == b"anything"
    assert put(url, "invalid", b"anything", "UNSIGNED")[0] == 400


def test_chunks_with_a_checksum_at_their_end_are_stored_decoded(url: str) -> None:
    body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:hYfYZQ==\r\n\r\n"
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": "5",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    assert put(url, "trailer", body, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", headers)[0] == 200
    assert stored(url, BUCKET, "trailer") == b"abcde"


def chunked(url: str, key: str, pieces: list[bytes], *, trailer: bytes = b"") -> tuple[Any, bytes]:
    """Return a request with signed chunks, and its body."""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(sum(map(len, pieces))),
    }
    request = AWSRequest("PUT", f"{url}/{BUCKET}/{key}", headers=headers)
    signer = Signer(payload)
    signer.add_auth(request)
    date = request.context["timestamp"]
    scope = signer.credential_scope(request)
    previous = request.headers["Authorization"].rpartition("=")[2]
    empty = hashlib.sha256().hexdigest()
    body = b""
    for piece in (*pieces, b""):
        digest = hashlib.sha256(piece).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{empty}\n{digest}"
        previous = signer.signature(text, request)
        body += b"%x;chunk-signature=%s\r\n%s" % (len(piece), previous.encode(), piece)
        body += b"\r\n" if piece or not trailer else b""
    if trailer:
        digest = hashlib.sha256(trailer + b"\n").hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{previous}\n{digest}"
        signature = signer.signature(text, request).encode()
        body += trailer + b"\r\nx-amz-trailer-signature:" + signature + b"\r\n\r\n"
    return request, body


@pytest.mark.parametrize("trailer", [b"", b"x-amz-checksum-crc32:hYfYZQ=="])
def test_signed_chunks_are_verified_and_stored_decoded(url: str, trailer: bytes) -> None:
    request, body = chunked(url, "chunks", [b"abc", b"de"], trailer=trailer)
    headers = dict(request.headers.items())
    assert ask("PUT", request.url, body, headers)[0] == 200
    assert stored(url, BUCKET, "chunks") == b"abcde"
    client(url, "s3").delete_object(Bucket=BUCKET, Key="chunks")
    changes = [
        (b"abc", b"abd"),
        (b"de", b"ed"),
        (b"3;", b"2;"),
        (b"0;chunk", b"1;chunk"),
        (b"chunk-signature=", b"chunk-signature=0"),
        (body[body.index(b"2;chunk") : body.index(b"0;chunk", 90)], b""),
        (body, b"abcde"),
        (body, body + b"3;chunk-signature=x\r\nabc\r\n"),
        (body, body[:-40]),
        (trailer or body, b"x-amz-checksum-crc32:AAAAAA=="),
    ]
    for old, new in changes:
        forged = body.replace(old, new, 1)
        status, answer = ask("PUT", request.url, forged, headers)
        assert status in (400, 403), (old, new, answer)
        assert "chunks" not in keys(url, BUCKET)


@pytest.mark.parametrize("config", VERSIONS)
def test_presigned_urls_get_and_put(url: str, config: dict[str, Any]) -> None:
    s3 = client(url, "s3", **config)
    write = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "pre/ü +&"})
    assert requests.put(write, b"presigned").status_code == 200
    read = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "pre/ü +&"})
    assert requests.get(read).content == b"presigned"
    named = {"Bucket": BUCKET, "Key": "pre/ü +&", "ResponseContentDisposition": 'x; name="a&b"'}
    if config.get("signature_version") or not config:
        shown = requests.get(s3.generate_presigned_url("get_object", Params=named))
        assert shown.headers["Content-Disposition"] == 'x; name="a&b"'
    typed = {"Bucket": BUCKET, "Key": "typed", "ContentType": "image/png"}
    write = s3.generate_presigned_url("put_object", Params=typed)
    assert requests.put(write, b"png", headers={"Content-Type": "image/png"}).status_code == 200
    assert requests.put(write, b"x", headers={"Content-Type": "text/html"}).status_code == 403


@pytest.mark.parametrize("config", VERSIONS)
def test_a_presigned_url_expires(
    url: str, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = client(url, "s3", **config)
    then = datetime.now(UTC) - timedelta(days=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: then)
    monkeypatch.setattr("botocore.auth.time.time", then.timestamp)
    old = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "kept"})
    monkeypatch.undo()
    answer = requests.get(old)
    assert answer.status_code == 403
    assert "Request has expired" in answer.text


def forged_urls(good: str) -> Iterator[str]:
    """Yield changed copies of a presigned URL for /guarded-pictures/kept."""
    path, _, query = good.partition("?")
    parts = query.split("&")
    for other in (
        "/guarded-others/kept",
        "/guarded-pictures/other",
        "/guarded-pictures//kept",
        "/guarded-pictures/./kept",
        "/guarded-pictures/kept/",
        "/guarded-pictures/kept%00",
        "/guarded-pictures/kept#x",
        "/guarded-pictures/../guarded-others/kept",
        "/guarded-pictures/..%2fguarded-others/kept",
        "/guarded-pictures",
        "/",
    ):
        yield f"{path.replace('/guarded-pictures/kept', other)}?{query}"
    for extra in (
        "acl",
        "%61cl",
        "acl=",
        "tagging",
        "versionId=null",
        "uploads",
        "legal-hold",
        "attributes",
        "prefix=k",
        "x-amz-acl=public-read",
        "X-Amz-Security-Token=x",
        "response-content-type=text/html",
        "Action=ListQueues",
    ):
        yield f"{good}&{extra}"
        yield f"{path}?{extra}&{query}"
    for at, part in enumerate(parts):
        name, _, value = part.partition("=")
        others = [*parts[:at], *parts[at + 1 :]]
        yield f"{path}?{'&'.join(others)}"
        yield f"{path}?{'&'.join([*parts, part])}"
        yield f"{path}?{'&'.join([*others, f'{name}='])}"
        yield f"{path}?{'&'.join([*others, f'{name}=1{value}'])}"
        yield f"{path}?{'&'.join([*others, f'{name}={value}1'])}"
        yield f"{path}?{'&'.join([*others, f'{name.swapcase()}={value}'])}"


@pytest.mark.parametrize("config", VERSIONS)
def test_no_forged_presigned_url_is_accepted(url: str, config: dict[str, Any]) -> None:
    s3 = client(url, "s3", **config)
    good = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "kept"})
    assert ask("GET", good) == (200, "guarded-pictures")
    tried = 0
    for forged in forged_urls(good):
        status, body = ask("GET", forged)
        assert status in (400, 403), (forged, status, body)
        tried += 1
    for method in ("PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"):
        assert ask(method, good, b"x")[0] in (400, 403), method
        tried += 1
    port = urlsplit(url).port
    for headers in (
        {"X-Amz-Copy-Source": "/guarded-others/kept"},
        {"x_amz_copy_source": "/guarded-others/kept"},
        {"X-Amz-Target": "AmazonSQS.ListQueues"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request"},
        {"Authorization": "AWS a:b"},
    ):
        assert ask("GET", good, None, headers)[0] in (400, 403), headers
        tried += 1
    # Another host must not select another bucket.
    for host in (
        f"guarded-others.localhost:{port}",
        f"guarded-others.s3.amazonaws.com:{port}",
        "guarded-others.example",
    ):
        assert ask("GET", good, None, {"Host": host})[1] != OTHER
        tried += 1
    assert tried >= 60


@pytest.mark.parametrize("config", VERSIONS)
def test_a_presigned_put_cannot_become_a_request_to_another_service(
    url: str, config: dict[str, Any]
) -> None:
    s3 = client(url, "s3", **config)
    write = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "put"})
    client(url, "sqs", region="us-east-1").create_queue(QueueName="kept")
    body = b"Action=DeleteQueue&Version=2012-11-05&QueueUrl=http://localhost/123456789012/kept"
    requests.put(write, body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert client(url, "sqs", region="us-east-1").list_queues()["QueueUrls"]


@pytest.mark.parametrize("config", VERSIONS)
@pytest.mark.parametrize("key", [WRONG, STRANGER])
def test_a_url_or_form_signed_with_another_secret_is_refused(
    url: str, config: dict[str, Any], key: Credentials
) -> None:
    s3 = client(url, "s3", key, **config)
    forged = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "kept"})
    assert requests.get(forged).status_code == 403
    form = s3.generate_presigned_post(BUCKET, "planted")
    answer = requests.post(form["url"], data=form["fields"], files={"file": b"x"})
    assert answer.status_code == 403
    assert "planted" not in keys(url, BUCKET)


@pytest.mark.parametrize("config", VERSIONS)
def test_a_read_only_key_signs_urls_for_reading_only(url: str, config: dict[str, Any]) -> None:
    s3 = client(url, "s3", READER, **config)
    read = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "kept"})
    assert requests.get(read).content == b"guarded-pictures"
    write = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "planted"})
    assert "read-only" in requests.put(write, b"x").text
    form = s3.generate_presigned_post(BUCKET, "planted")
    answer = requests.post(form["url"], data=form["fields"], files={"file": b"x"})
    assert "read-only" in answer.text
    assert "planted" not in keys(url, BUCKET)
