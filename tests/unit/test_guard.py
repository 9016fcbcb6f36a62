"""With access keys, every service on the port verifies signatures, and roles apply to all."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from facedex.store.access_keys import Credentials
from tests.unit.guarded import (
    BUCKET,
    FULL,
    QUEUE,
    READER,
    REGION,
    STRANGER,
    WRONG,
    ask,
    client,
    running,
)

Call = Callable[[Any], object]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as address:
        s3 = client(address, "s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="a b/ü+.jpg", Body=b"photo", Metadata={"who": "ann"})
        client(address, "sqs").create_queue(QueueName=QUEUE)
        client(address, "sns").create_topic(Name="done")
        client(address, "kinesis").create_stream(StreamName="faces", ShardCount=1)
        client(address, "kinesisvideo").create_stream(StreamName="door", DataRetentionInHours=1)
        yield address


def queue(sqs: Any) -> str:
    return f"{sqs.meta.endpoint_url}/123456789012/{QUEUE}"


READS: list[tuple[str, Call]] = [
    ("s3", lambda s3: s3.list_buckets()),
    ("s3", lambda s3: s3.list_objects_v2(Bucket=BUCKET, Prefix="a b/")),
    ("s3", lambda s3: s3.head_object(Bucket=BUCKET, Key="a b/ü+.jpg")),
    ("s3", lambda s3: s3.get_object(Bucket=BUCKET, Key="a b/ü+.jpg")["Body"].read()),
    ("sqs", lambda sqs: sqs.list_queues()),
    ("sqs", lambda sqs: sqs.get_queue_attributes(QueueUrl=queue(sqs), AttributeNames=["All"])),
    ("sns", lambda sns: sns.list_topics()),
    ("kinesis", lambda kinesis: kinesis.list_streams()),
    ("kinesis", lambda kinesis: kinesis.describe_stream(StreamName="faces")),
    ("kinesisvideo", lambda video: video.describe_stream(StreamName="door")),
    ("kinesisvideo", lambda video: video.get_data_endpoint(StreamName="door", APIName="GET_MEDIA")),
    ("sts", lambda sts: sts.get_caller_identity()),
]
WRITES: list[tuple[str, Call]] = [
    ("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key="new", Body=b"new")),
    ("s3", lambda s3: s3.upload_fileobj(io.BytesIO(bytes(9 << 20)), BUCKET, "parts")),
    ("s3", lambda s3: s3.copy_object(Bucket=BUCKET, Key="c", CopySource=f"{BUCKET}/a b/ü+.jpg")),
    ("s3", lambda s3: s3.delete_object(Bucket=BUCKET, Key="new")),
    ("s3", lambda s3: s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "new"}]})),
    ("s3", lambda s3: s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": []})),
    ("sqs", lambda sqs: sqs.send_message(QueueUrl=queue(sqs), MessageBody="&Action=ListQueues")),
    ("sqs", lambda sqs: sqs.receive_message(QueueUrl=queue(sqs))),
    ("sqs", lambda sqs: sqs.purge_queue(QueueUrl=queue(sqs))),
    ("sns", lambda sns: sns.create_topic(Name="more")),
    ("kinesis", lambda kinesis: kinesis.put_record(StreamName="faces", Data=b"", PartitionKey="a")),
    ("kinesisvideo", lambda video: video.create_stream(StreamName="w", DataRetentionInHours=1)),
    # of services that a read-only key may not use; without a body, and with one
    ("apigateway", lambda gateway: gateway.get_rest_apis()),
    ("apigateway", lambda gateway: gateway.create_rest_api(name="doors")),
    ("lambda", lambda functions: functions.list_functions()),
]
# The codes with which each service refuses a wrong signature, an unknown key, and a lack of rights.
CODES = {
    "s3": ("SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied"),
    "sns": ("SignatureDoesNotMatch", "InvalidClientTokenId", "AccessDenied"),
    "sts": ("SignatureDoesNotMatch", "InvalidClientTokenId", "AccessDenied"),
    "sqs": ("InvalidSignatureException", "UnrecognizedClientException", "AccessDeniedException"),
}


def codes(service: str) -> tuple[str, str, str]:
    return CODES.get(service, CODES["sqs"])


def refusal(call: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises((ClientError, boto3.exceptions.S3UploadFailedError)) as raised:
        call()
    error: Any = raised.value
    if not isinstance(error, ClientError):
        error = error.__context__
    response = error.response
    return str(response["Error"]["Code"]), response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(("service", "call"), READS + WRITES)
def test_a_full_key_may_do_everything(url: str, service: str, call: Call) -> None:
    call(client(url, service))


@pytest.mark.parametrize(("service", "call"), READS)
def test_a_read_only_key_may_read(url: str, service: str, call: Call) -> None:
    call(client(url, service, READER))


@pytest.mark.parametrize(("service", "call"), WRITES)
def test_a_read_only_key_changes_nothing(url: str, service: str, call: Call) -> None:
    code, status = refusal(lambda: call(client(url, service, READER)))
    assert code == codes(service)[2]
    assert status == (400 if service in ("sqs", "kinesis") else 403)


@pytest.mark.parametrize(("service", "call"), READS[:1] + READS[3:] + WRITES)
def test_a_wrong_secret_and_an_unknown_key_are_refused(url: str, service: str, call: Call) -> None:
    assert refusal(lambda: call(client(url, service, WRONG)))[0] == codes(service)[0]
    assert refusal(lambda: call(client(url, service, STRANGER)))[0] == codes(service)[1]


@pytest.mark.parametrize(
    ("method", "target", "headers", "says"),
    [
        ("GET", "/", {}, "<Code>AccessDenied</Code>"),
        ("GET", f"/{BUCKET}/a%20b/%C3%BC%2B.jpg", {}, "<Code>AccessDenied</Code>"),
        ("PUT", f"/{BUCKET}/planted", {}, "<Code>AccessDenied</Code>"),
        # curl's own content type for a body
        (
            "PUT",
            f"/{BUCKET}/planted",
            {"Content-Type": "application/x-www-form-urlencoded"},
            "<Code>AccessDenied</Code>",
        ),
        ("POST", f"/{BUCKET}", {"Content-Type": "text/plain"}, "<Code>AccessDenied</Code>"),
        ("OPTIONS", f"/{BUCKET}/planted", {"Origin": "http://a.example"}, "AccessDenied"),
        ("OPTIONS", "/?Action=DeleteQueue", {}, "<Code>MissingAuthenticationToken</Code>"),
        ("GET", "/?Action=ListTopics", {}, "<Code>MissingAuthenticationToken</Code>"),
        ("POST", "/", {"X-Amz-Target": "AmazonSQS.ListQueues"}, "MissingAuthenticationToken"),
        ("POST", "/putMedia", {"x-amzn-stream-name": "door"}, "MissingAuthenticationToken"),
        ("POST", "/", {"Authorization": "AWS a:b", "Content-Type": "text/plain"}, "InvalidRequest"),
        ("GET", "/latest/meta-data/", {}, "AccessDenied"),
        ("GET", "/us-east-1_pool/.well-known/jwks.json", {}, "AccessDenied"),
        ("GET", "/sqs_us-east-1/x", {}, "AccessDenied"),
    ],
)
def test_an_unsigned_request_is_refused(
    url: str, method: str, target: str, headers: dict[str, str], says: str
) -> None:
    status, body = ask(method, url + target, None if method == "GET" else b"{}", headers)
    assert status in (400, 403)
    assert says in body
    names = [each["Key"] for each in client(url, "s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert "planted" not in names


@pytest.mark.parametrize(
    ("service", "call", "change"),
    [
        ("s3", WRITES[0][1], lambda r: r.headers.__setitem__("x-amz-date", "20200101T000000Z")),
        ("s3", WRITES[0][1], lambda r: setattr(r, "body", b"old")),
        ("s3", WRITES[0][1], lambda r: setattr(r, "url", r.url + "er")),
        ("s3", WRITES[0][1], lambda r: setattr(r, "url", r.url + "?acl")),
        ("s3", WRITES[0][1], lambda r: setattr(r, "method", "DELETE")),
        ("s3", WRITES[0][1], lambda r: r.headers.__setitem__("x-amz-acl", "public-read")),
        (
            "s3",
            WRITES[0][1],
            lambda r: r.headers.__setitem__("x_amz_copy_source", "/guarded-photos/c"),
        ),
        ("s3", WRITES[0][1], lambda r: r.headers.__setitem__("X-Amz-Target", "AmazonSQS.X")),
        ("sqs", WRITES[6][1], lambda r: setattr(r, "body", r.body.replace(b"List", b"Drop"))),
        ("sqs", READS[4][1], lambda r: r.headers.__setitem__("X-Amz-Target", "AmazonSQS.Purge")),
        ("sns", READS[6][1], lambda r: setattr(r, "body", r.body.replace("List", "Drop"))),
        ("kinesis", READS[7][1], lambda r: setattr(r, "url", r.url + "?Action=DeleteStream")),
        ("kinesisvideo", READS[9][1], lambda r: setattr(r, "url", r.url.replace("desc", "Desc"))),
    ],
)
def test_a_tampered_request_is_refused(url: str, service: str, call: Call, change: Call) -> None:
    made = client(url, service)

    def tamper(request: Any, **_: Any) -> None:
        change(request)

    made.meta.events.register(
        f"before-send.{made.meta.service_model.service_id.hyphenize()}", tamper
    )
    code, status = refusal(lambda: call(made))
    assert status in (400, 403)
    assert code in (
        *codes(service),
        "AuthorizationHeaderMalformed",
        "XAmzContentSHA256Mismatch",
        "400",
        "403",
    )


@pytest.mark.parametrize(
    ("headers", "body", "target"),
    [
        ({"X-Amz-Target": "Kinesis_20131202.ListStreams", "Action": "DeleteStream"}, b"", "/"),
        ({"X-Amz-Target": "Kinesis_20131202.ListStreams"}, b"{}", "/?Action=DeleteStream"),
        ({"X-Amz-Target": "Kinesis_20131202.ListStreams"}, b'{"a":"&Action=DeleteStream&"}', "/"),
        ({"X-Amz-Target": "Kinesis_20131202.ListStreams"}, b'{"a":"&%41ction=DeleteStream"}', "/"),
        (
            {
                "X-Amz-Target": "Kinesis_20131202.ListStreams",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            b"Action=DeleteStream&StreamName=faces",
            "/",
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="Action"\r\n\r\nDeleteStream\r\n--x--',
            "/?Action=ListStreams",
        ),
        ({"X-Amz-Target": "Other.DescribeStream"}, b'{"StreamName":"faces"}', "/"),
        ({"X-Amz-Target": "Kinesis_20131202.GetEverything"}, b"{}", "/"),
        ({}, b"{}", "/"),
    ],
)
def test_a_read_only_key_cannot_hide_a_change_in_a_reading_request(
    url: str, headers: dict[str, str], body: bytes, target: str
) -> None:
    given = {"Content-Type": "application/x-amz-json-1.1", **headers}
    status, answer = send_signed(url + target, "kinesis", READER, body, given)
    streams = client(url, "kinesis").list_streams()["StreamNames"]
    assert "faces" in streams
    assert (status in (400, 403)) or json.loads(answer)["StreamNames"] == streams


@pytest.mark.parametrize("service", ["lambda", "iam", "dynamodb", "s3control", "x", "a.s3"])
def test_a_read_only_key_may_not_use_services_that_are_not_known(url: str, service: str) -> None:
    status, body = send_signed(f"{url}/", service, READER, b"", {})
    assert status == 403
    assert "AccessDenied" in body


def send_signed(
    url: str,
    service: str,
    key: Credentials,
    body: bytes,
    headers: dict[str, str],
    method: str = "POST",
) -> tuple[int, str]:
    request = AWSRequest(method, url, headers=headers, data=body)
    secrets = ReadOnlyCredentials(key.key.access_key_id, key.secret, None)
    SigV4Auth(secrets, service, REGION).add_auth(request)
    return ask(method, url, body, dict(request.headers.items()))


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
def test_an_unsigned_content_type_gives_a_message_no_other_meaning(
    url: str, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    monkeypatch.setattr(
        botocore.auth, "SIGNED_HEADERS_BLACKLIST", ["content-type", "user-agent", "expect"]
    )
    sqs = client(url, "sqs")

    def change(request: Any, **_: Any) -> None:
        del request.headers["Content-Type"]
        if kind:
            request.headers["Content-Type"] = kind

    sqs.meta.events.register("before-send.sqs", change)
    text = f"&Action=DeleteQueue&QueueUrl={queue(sqs)}&"
    assert sqs.send_message(QueueUrl=queue(sqs), MessageBody=text)["MessageId"]
    assert queue(sqs) in sqs.list_queues()["QueueUrls"]


def test_clients_of_the_query_protocol_are_verified(url: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    listing = b"Action=ListQueues&Version=2012-11-05"
    status, body = send_signed(f"{url}/", "sqs", READER, listing, form)
    assert status == 200
    assert f"/{QUEUE}" in body
    purge = f"Action=PurgeQueue&Version=2012-11-05&QueueUrl={url}/123456789012/{QUEUE}".encode()
    status, body = send_signed(f"{url}/", "sqs", READER, purge, form)
    assert status == 403
    assert "<Code>AccessDenied</Code>" in body


def test_a_session_token_is_not_recognised(url: str) -> None:
    made: Any = boto3.Session(FULL.key.access_key_id, FULL.secret, "token", region_name=REGION)
    for service, call, code in (
        ("s3", READS[0][1], "InvalidToken"),
        ("sqs", READS[4][1], "UnrecognizedClientException"),
    ):
        with_token = made.client(service, endpoint_url=url, config=Config(retries={}))
        assert refusal(lambda made=with_token, act=call: act(made))[0] == code  # type: ignore[misc]


def test_only_the_host_that_was_signed_is_accepted(url: str) -> None:
    port = urlsplit(url).port
    request = AWSRequest("GET", f"{url}/{BUCKET}")
    secrets = ReadOnlyCredentials(FULL.key.access_key_id, FULL.secret, None)
    botocore.auth.S3SigV4Auth(secrets, "s3", REGION).add_auth(request)
    headers = dict(request.headers.items())
    assert ask("GET", f"{url}/{BUCKET}", None, headers)[0] == 200
    other = {**headers, "Host": f"localhost:{port}"}
    assert ask("GET", f"{url}/{BUCKET}", None, other)[0] == 403
