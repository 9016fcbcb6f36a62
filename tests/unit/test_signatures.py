"""Signature Version 4 is verified as by AWS, with the same error messages."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import botocore.auth
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from facedex.access.authorization import Authorization
from facedex.access.signatures import Signer, verify
from facedex.access.signed_request import Received
from facedex.api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    ServiceError,
    UnrecognizedClientException,
)
from facedex.store.access_keys import AccessKey, Credentials, Permission
from facedex_local.http import gateway, routes
from tests.unit.forging import set_header

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
KEY_ID = "FDXABCDEFGHIJKLMNOPQ"
SECRET = "a secret that nobody else has"
KEY = Credentials(AccessKey(KEY_ID, "door", Permission.ALL, NOW, None), SECRET)
HOST = "api.example.com"
TARGET = "RekognitionService.ListCollections"

Event = dict[str, Any]


def find(access_key_id: str) -> Credentials | None:
    return KEY if access_key_id == KEY_ID else None


@pytest.fixture(autouse=True)
def _client_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_client_clock(monkeypatch, timedelta())


def set_client_clock(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW + off)


def sign(
    method: str = "POST",
    target: str = "/",
    body: bytes = b"{}",
    *,
    key: tuple[str, str] = (KEY_ID, SECRET),
    service: str = "rekognition",
    expires: int | None = None,
    token: str | None = None,
    **headers: str,
) -> AWSRequest:
    """Return a request signed by botocore, in its header or, with ``expires``, in its query."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, f"https://{HOST}{target}", headers=named, data=body)
    credentials = ReadOnlyCredentials(*key, token)
    if expires is None:
        SigV4Auth(credentials, service, "eu-central-1").add_auth(request)
    else:
        SigV4QueryAuth(credentials, service, "eu-central-1", expires=expires).add_auth(request)
    return request


def event_of(request: AWSRequest, *, stage: str = "", resource: str = "/") -> Event:
    """Return API Gateway's event of a request; ``stage`` is the part of the path that names one."""
    parts = urlsplit(str(request.url))
    headers = {"Host": HOST, **dict(request.headers.items())}
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return {
        "resource": resource,
        "path": parts.path.removeprefix(stage),
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": None,
        "requestContext": {"path": parts.path, "stage": stage.strip("/")},
    }


def call(**options: Any) -> Event:
    """Return a signed AWS JSON call."""
    headers = {"content_type": "application/x-amz-json-1.1", "x_amz_target": TARGET}
    return event_of(sign(**{**headers, **options}))


def check(event: Event, body: bytes = b"{}") -> AccessKey:
    return verify(event, body, find, now=NOW)


def refused(kind: type[ServiceError], event: Event, body: bytes = b"{}") -> str:
    with pytest.raises(kind) as error:
        check(event, body)
    assert error.value.status == 400
    authorization = event["multiValueHeaders"].get("Authorization", [""])[0]
    signature = authorization.rpartition("Signature=")[2]
    assert not signature or signature not in error.value.message
    return error.value.message


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


def _change_body(_event: Event) -> bytes:
    return b'{"MaxResults":1}'


def _change_target(event: Event) -> bytes:
    set_header(event, "X-Amz-Target", "RekognitionService.DeleteCollection")
    return b"{}"


def _change_host(event: Event) -> bytes:
    set_header(event, "Host", "other.example.com")
    return b"{}"


def _change_type(event: Event) -> bytes:
    set_header(event, "Content-Type", "image/jpeg")
    return b"{}"


def _change_method(event: Event) -> bytes:
    event["httpMethod"] = "DELETE"
    return b"{}"


def _change_path(event: Event) -> bytes:
    event["path"] = event["requestContext"]["path"] = "/v1/collections"
    event["resource"] = "/v1/collections"
    return b"{}"


def _add_query(event: Event) -> bytes:
    event["multiValueQueryStringParameters"] = {"MaxResults": ["1"]}
    return b"{}"


def _change_date(event: Event) -> bytes:
    set_header(event, "X-Amz-Date", "20261123T120001Z")
    return b"{}"


def _change_signature(event: Event) -> bytes:
    value = event["multiValueHeaders"]["Authorization"][0]
    set_header(event, "Authorization", value[:-1] + ("0" if value[-1] != "0" else "1"))
    return b"{}"


def _no_signature_but_text(event: Event) -> bytes:
    value = event["multiValueHeaders"]["Authorization"][0]
    set_header(event, "Authorization", value.rpartition("=")[0] + "=ünïcode")
    return b"{}"


@pytest.mark.parametrize(
    "change",
    [
        _change_body,
        _change_target,
        _change_host,
        _change_type,
        _change_method,
        _change_path,
        _add_query,
        _change_date,
        _change_signature,
        _no_signature_but_text,
    ],
)
def test_a_request_that_was_changed_after_it_was_signed_is_refused(
    change: Callable[[Event], bytes],
) -> None:
    event = call()
    assert "does not match" in refused(InvalidSignatureException, event, change(event))


@pytest.mark.parametrize("name", ["X-Amz-Target", "X_Amz-Target", "X-Amz-Anything", "Host"])
def test_headers_that_decide_must_be_signed(name: str) -> None:
    event = event_of(sign())
    if name == "Host":
        value = event["multiValueHeaders"]["Authorization"][0]
        set_header(event, "Authorization", value.replace("=host;", "="))
    else:
        set_header(event, name, "something")
    message = refused(InvalidSignatureException, event)
    assert message == f"'{name.lower()}' must be a 'SignedHeader' in the AWS Authorization."


def test_headers_that_cloudfront_adds_may_be_unsigned() -> None:
    event = call()
    set_header(event, "X-Amz-Cf-Id", "added")
    set_header(event, "X-Amzn-Trace-Id", "added")
    assert check(event) == KEY.key


@pytest.mark.parametrize(
    "given", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64]
)
def test_a_payload_hash_that_does_not_match_the_body_is_refused(given: str) -> None:
    message = refused(InvalidSignatureException, call(x_amz_content_sha256=given))
    assert "is not the SHA-256 of the request's body" in message


def test_a_payload_hash_that_matches_the_body_is_accepted() -> None:
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert check(call(x_amz_content_sha256=digest)) == KEY.key


@pytest.mark.parametrize(
    ("off", "good"), [(-301, False), (-299, True), (0, True), (299, True), (301, False)]
)
def test_clocks_may_differ_by_five_minutes(
    monkeypatch: pytest.MonkeyPatch, off: int, good: bool
) -> None:
    set_client_clock(monkeypatch, timedelta(seconds=off))
    if good:
        assert check(call()) == KEY.key
    elif off < 0:
        assert refused(InvalidSignatureException, call()) == (
            "Signature expired: 20261123T115459Z is now earlier than 20261123T115500Z"
            " (20261123T120000Z - 5 min.)"
        )
    else:
        assert refused(InvalidSignatureException, call()) == (
            "Signature not yet current: 20261123T120501Z is still later than 20261123T120500Z"
            " (20261123T120000Z + 5 min.)"
        )


@pytest.mark.parametrize(
    "date",
    ["", "201", "2026-11-23T12:00:00Z", "20261323T120000Z", "20261123T1200Z", "٢٠٢٦1123T120000Z"],
)
def test_a_date_of_another_form_is_refused(date: str) -> None:
    event = call()
    set_header(event, "X-Amz-Date", date)
    refused(IncompleteSignatureException, event)


def test_an_unknown_key_and_a_session_token_are_not_recognised() -> None:
    message = "The security token included in the request is invalid."
    assert refused(UnrecognizedClientException, call(key=("AKIAIOSFODNN7EXAMPLE", "x"))) == message
    assert refused(UnrecognizedClientException, call(token="session")) == message


def test_a_wrong_secret_does_not_match() -> None:
    refused(InvalidSignatureException, call(key=(KEY_ID, "wrong")))


@pytest.mark.parametrize(
    ("part", "replacement", "kind", "says"),
    [
        ("/rekognition/", "/s3/", InvalidSignatureException, "correct service: 'rekognition'"),
        ("/rekognition/", "/execute-api/", InvalidSignatureException, "correct service"),
        ("aws4_request", "aws5_request", InvalidSignatureException, "valid terminator"),
        ("/20261123/", "/20261122/", InvalidSignatureException, "does not match YYYYMMDD"),
        ("/eu-central-1/", "//", InvalidSignatureException, "valid region"),
        ("/eu-central-1/", "/", IncompleteSignatureException, "exactly 5"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", IncompleteSignatureException, "Unsupported"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", IncompleteSignatureException, "Unsupported"),
        ("Credential=", "", IncompleteSignatureException, "key=value"),
        ("Credential=", "Kredential=", IncompleteSignatureException, "requires 'Credential'"),
        ("Signature=", "Credential=", IncompleteSignatureException, "once"),
        ("SignedHeaders=", "SignedHeaders=,x=", IncompleteSignatureException, "'SignedHeaders'"),
        ("AWS4-HMAC-SHA256", "Bearer", MissingAuthenticationTokenException, "missing"),
        ("AWS4-HMAC-SHA256 ", "AWS ", MissingAuthenticationTokenException, "missing"),
    ],
)
def test_a_malformed_authorization_header_is_refused_in_awss_words(
    part: str, replacement: str, kind: type[ServiceError], says: str
) -> None:
    event = call()
    value = event["multiValueHeaders"]["Authorization"][0]
    set_header(event, "Authorization", value.replace(part, replacement))
    assert says in refused(kind, event)


def test_an_unsigned_request_is_refused() -> None:
    event = call()
    del event["multiValueHeaders"]["Authorization"]
    assert refused(MissingAuthenticationTokenException, event) == (
        "Request is missing Authentication Token"
    )


def presigned(target: str = "/v1/collections?MaxResults=5", expires: int = 60) -> Event:
    request = sign("GET", target, b"", expires=expires)
    return event_of(request, resource="/v1/collections")


def test_a_presigned_url_identifies_its_key() -> None:
    assert check(presigned(), b"") == KEY.key


@pytest.mark.parametrize(("after", "good"), [(-299, True), (59, True), (61, False)])
def test_a_presigned_url_is_good_for_as_long_as_it_says(
    monkeypatch: pytest.MonkeyPatch, after: int, good: bool
) -> None:
    set_client_clock(monkeypatch, timedelta(seconds=-after))
    if good:
        assert check(presigned(), b"") == KEY.key
    else:
        assert "- 60 sec.)" in refused(InvalidSignatureException, presigned(), b"")


@pytest.mark.parametrize("expires", [0, -1, 604_801, 10**30])
def test_a_presigned_url_is_good_for_seven_days_at_most(expires: int) -> None:
    assert "seven days" in refused(InvalidSignatureException, presigned(expires=expires), b"")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("MaxResults", ["6"]),
        ("NextToken", ["added"]),
        ("X-Amz-Expires", ["3600"]),
        ("X-Amz-Date", ["20261123T120001Z"]),
        ("X-Amz-Signature", ["0" * 64]),
    ],
)
def test_a_presigned_url_that_was_changed_is_refused(name: str, values: list[str]) -> None:
    event = presigned()
    event["multiValueQueryStringParameters"][name] = values
    assert "does not match" in refused(InvalidSignatureException, event, b"")


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature", "X-Amz-SignedHeaders"],
)
def test_a_presigned_url_needs_every_part_once(name: str) -> None:
    event = presigned()
    parts = event["multiValueQueryStringParameters"]
    parts[name] = parts[name] * 2
    assert name in refused(IncompleteSignatureException, event, b"")
    del parts[name]
    assert name in refused(IncompleteSignatureException, event, b"")


def test_a_request_signed_in_both_places_is_refused() -> None:
    event = presigned()
    event["multiValueHeaders"]["Authorization"] = ["AWS4-HMAC-SHA256 x"]
    assert "both" in refused(InvalidSignatureException, event, b"")


_PIECES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "AWS4-HMAC-SHA256 ",
            "Credential=",
            "SignedHeaders=",
            "Signature=",
            ", ",
            "/",
            ";",
            "=",
            KEY_ID,
            "20261123",
            "eu-central-1/rekognition/aws4_request",
            "host;x-amz-date",
            "\ud800",
            "0" * 64,
            "host",
            "%",
            "\0",
            "\n",
        ]
    ),
)
_GARBAGE = st.lists(_PIECES, max_size=12).map("".join)


@given(_GARBAGE, _GARBAGE)
def test_a_garbage_authorization_header_is_a_client_error(authorization: str, date: str) -> None:
    event = event_of(AWSRequest("POST", f"https://{HOST}/"))
    event["multiValueHeaders"] |= {"Authorization": [authorization], "X-Amz-Date": [date]}
    with pytest.raises(ServiceError) as error:
        check(event)
    assert error.value.status == 400
    set_header(event, "X-Amz-Date", "20261123T120000Z")
    with pytest.raises(ServiceError) as error:
        check(event)
    assert error.value.status == 400


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "X-Amz-Algorithm",
                "X-Amz-Credential",
                "X-Amz-Date",
                "X-Amz-Expires",
                "X-Amz-Signature",
                "X-Amz-SignedHeaders",
                "other",
            ]
        ),
        st.lists(_GARBAGE, max_size=3),
    ),
    _GARBAGE,
)
def test_a_garbage_query_or_path_is_a_client_error(
    changes: Mapping[str, list[str]], path: str
) -> None:
    event = presigned()
    event["multiValueQueryStringParameters"] |= {**changes, "and": ["more"]}
    event["path"] = path
    with pytest.raises(ServiceError) as error:
        check(event, b"")
    assert error.value.status == 400


def test_nothing_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    event = call()
    caplog.clear()
    check(event)
    signature = event["multiValueHeaders"]["Authorization"][0].rpartition("=")[2]
    assert caplog.text == ""
    assert SECRET not in repr(KEY)
    assert signature not in json.dumps(repr(KEY))
