"""Signature Version 4 is verified as by AWS: the requests that are accepted."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from urllib.parse import quote

import pytest

from facedex.access.authorization import Authorization
from facedex.access.signatures import Signer
from facedex.access.signed_request import Received
from facedex.api.errors import InvalidSignatureException
from facedex.store.access_keys import AccessKey, Credentials, Permission
from facedex_local.http import gateway, routes
from tests.unit.forging import set_header
from tests.unit.signing import (
    HOST,
    KEY,
    KEY_ID,
    NOW,
    SECRET,
    TARGET,
    call,
    check,
    event_of,
    refused,
    set_client_clock,
    sign,
)


@pytest.fixture(autouse=True)
def _client_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_client_clock(monkeypatch, timedelta())


# https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html and, the last, the
# example worked out in AWS's description of the algorithm.
@pytest.mark.parametrize(
    ("method", "query", "service", "headers", "signature"),
    [
        (
            "GET",
            [],
            "service",
            {},
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST",
            [],
            "service",
            {},
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            [("Param2", "value2"), ("Param1", "value1")],
            "service",
            {},
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            [("Action", "ListUsers"), ("Version", "2010-05-08")],
            "iam",
            {
                "host": ["iam.amazonaws.com"],
                "content-type": ["application/x-www-form-urlencoded; charset=utf-8"],
            },
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "get-vanilla-query-order-key", "iam"],
)
def test_signatures_are_those_that_aws_published(
    method: str,
    query: list[tuple[str, str]],
    service: str,
    headers: dict[str, list[str]],
    signature: str,
) -> None:
    date = "20150830T123600Z"
    sent = {"host": ["example.amazonaws.com"], "x-amz-date": [date], **headers}
    published = AccessKey("AKIDEXAMPLE", "", Permission.ALL, NOW, None)
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    claimed = Authorization(
        "AWS4-HMAC-SHA256",
        "AKIDEXAMPLE",
        date[:8],
        "us-east-1",
        service,
        "aws4_request",
        date,
        tuple(sent),
        signature,
        None,
    )
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    received = Received(method, ["/"], query, sent, b"", is_aws_json=False)
    assert Signer(claimed, Credentials(published, secret), empty).sign(received, "/") == signature


def test_a_signed_request_identifies_its_key() -> None:
    assert check(call()) == KEY.key


def test_the_signature_covers_a_large_body_completely() -> None:
    body = bytes(range(256)) * 4096
    event = call(body=body)
    assert check(event, body) == KEY.key
    refused(InvalidSignatureException, event, body[:-1] + b"\0")


@pytest.mark.parametrize("service", ["rekognition", "execute-api"])
@pytest.mark.parametrize(
    "target",
    [
        "/v1/collections",
        "/v1/collections?MaxResults=5&NextToken=a%2Bb%2F%3D%20c",
        "/v1/collections/a%20b/faces?UserId=b&UserId=a&FaceIds=",
        "/v1/collections/b%C3%BC~(x)/faces",
    ],
)
@pytest.mark.parametrize("stage", ["", "/prod"])
def test_rest_requests_are_signed_as_sent(service: str, target: str, stage: str) -> None:
    request = sign("GET", f"{stage}{target}", b"", service=service)
    event = event_of(request, stage=stage, resource="/v1/collections")
    assert check(event, b"") == KEY.key


_ARN = "arn:aws:rekognition:us-east-1:123456789012:collection/staff"


@pytest.mark.parametrize("safe", ["", ":", "!'()*:", "-_.~:@"])
def test_an_arn_in_the_path_is_signed_however_its_client_encodes_it(safe: str) -> None:
    request = sign("GET", f"/v1/tags/{quote(_ARN, safe=safe)}", b"")
    event = event_of(request, resource="/v1/tags/{ResourceArn}")
    assert check(event, b"") == KEY.key


def test_a_gateway_that_decodes_the_path_spoils_no_signature() -> None:
    request = sign("GET", f"/v1/tags/{quote(_ARN, safe='')}", b"")
    event = event_of(request, resource="/v1/tags/{ResourceArn}")
    event["path"] = event["requestContext"]["path"] = f"/v1/tags/{_ARN}"
    event["pathParameters"] = {"ResourceArn": _ARN}
    assert check(event, b"") == KEY.key
    event["pathParameters"] = {"ResourceArn": f"{_ARN}s"}
    refused(InvalidSignatureException, event, b"")


@pytest.mark.parametrize(
    "target",
    [f"/v1/tags/{quote(_ARN, safe='')}?TagKeys=a%20b&TagKeys=%C3%BC", "/v1/collections/a%2520b"],
)
def test_the_local_gateway_passes_on_what_was_signed(target: str) -> None:
    request = sign("DELETE", target, b"", accept="*/*")
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": "DELETE",
        "REQUEST_URI": target,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": HOST,
        **{
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in request.headers.items()
        },
    }
    route = routes.find(environ)
    assert route is not None
    event = gateway.request_event(
        environ, b"", resource=route.resource, parameters=route.parameters
    )
    assert check(event, b"") == KEY.key


def test_a_signed_content_length_counts_though_api_gateway_drops_it() -> None:
    request = sign("POST", "/", b"{}", content_length="2", x_amz_target=TARGET)
    event = event_of(request)
    del event["multiValueHeaders"]["content-length"]
    assert check(event) == KEY.key


def test_headers_that_botocore_would_not_sign_may_be_signed() -> None:
    event = call()
    claimed = event["multiValueHeaders"]["Authorization"][0]
    names = claimed.partition("SignedHeaders=")[2].partition(",")[0]
    event["multiValueHeaders"]["User-Agent"] = ["java"]
    received = Received.from_event(event, b"{}")
    authorization = Authorization(
        "AWS4-HMAC-SHA256",
        KEY_ID,
        "20261123",
        "eu-central-1",
        "rekognition",
        "aws4_request",
        "20261123T120000Z",
        (*names.split(";"), "user-agent"),
        "",
        None,
    )
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of {}
    signature = Signer(authorization, KEY, digest).sign(received, "/")
    signed_names = ";".join(sorted((*names.split(";"), "user-agent")))
    set_header(
        event,
        "Authorization",
        f"{claimed.partition('SignedHeaders=')[0]}SignedHeaders={signed_names},"
        f" Signature={signature}",
    )
    assert check(event) == KEY.key


def test_headers_that_cloudfront_adds_may_be_unsigned() -> None:
    event = call()
    set_header(event, "X-Amz-Cf-Id", "added")
    set_header(event, "X-Amzn-Trace-Id", "added")
    assert check(event) == KEY.key


def test_a_payload_hash_that_matches_the_body_is_accepted() -> None:
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert check(call(x_amz_content_sha256=digest)) == KEY.key


def test_nothing_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    event = call()
    caplog.clear()
    check(event)
    signature = event["multiValueHeaders"]["Authorization"][0].rpartition("=")[2]
    assert caplog.text == ""
    assert SECRET not in repr(KEY)
    assert signature not in json.dumps(repr(KEY))
