"""No change to a signed request is accepted, unless it remains the same request.

Every mutation is made to a request that was valid before, and has to be refused.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import botocore.auth
import pytest

from facedex.api.catalog import OPERATIONS
from facedex.api.errors import InvalidImageFormatException, SerializationException, ServiceError
from facedex.api.rest import read_members
from facedex.runtime.faults import service_error
from facedex.vision import images
from facedex.vision.vision_errors import InvalidImage
from facedex_local.http import routes
from tests.unit.test_signatures import (
    KEY,
    KEY_ID,
    NOW,
    TARGET,
    Event,
    call,
    check,
    event_of,
    set_header,
    sign,
)

_BODY = b'{"CollectionId":"staff"}'
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
_BLACKLISTED = ("content-type", "content-length", "user-agent", "expect", "x-amzn-trace-id")

Forgery = tuple[str, Event, bytes]


@pytest.fixture(autouse=True)
def _client_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW)


def originals(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Event, bytes]]:
    """Return valid requests: AWS JSON and REST, signed in the header and in the query."""
    full = call(body=_BODY, content_type="application/x-amz-json-1.1", x_amz_target=TARGET)
    put = sign("POST", "/v1/faces/detect", _PNG, content_type="image/png")
    get = sign("GET", "/v1/collections/staff/faces?MaxResults=5&UserId=a&UserId=b", b"")
    url = sign("GET", "/v1/collections/staff/faces?MaxResults=5", b"", expires=600)
    delete = sign("DELETE", "/v1/collections/staff", b"", expires=60)
    found = {
        "json": (full, _BODY),
        "photo": (event_of(put, resource="/v1/faces/detect"), _PNG),
        "list": (event_of(get, resource="/v1/collections/{CollectionId}/faces"), b""),
        "url": (event_of(url, resource="/v1/collections/{CollectionId}/faces"), b""),
        "delete": (event_of(delete, resource="/v1/collections/{CollectionId}"), b""),
        "unsigned type": (unsigned_type(monkeypatch, _BODY), _BODY),
    }
    for event, body in found.values():
        assert check(event, body) == KEY.key
    return found


def unsigned_type(monkeypatch: pytest.MonkeyPatch, body: bytes) -> Event:
    """Return a call as AWS's SDKs for JavaScript (version 2), PHP and Android sign it."""
    with monkeypatch.context() as patched:
        patched.setattr(botocore.auth, "SIGNED_HEADERS_BLACKLIST", list(_BLACKLISTED))
        event = call(body=body)
    assert "content-type" not in event["multiValueHeaders"]["Authorization"][0]
    return event


def forgeries(event: Event, body: bytes) -> Iterator[Forgery]:
    """Yield changed copies of a request."""
    for make in (bodies, lines, headers, authorizations, queries):
        yield from make(event, body)


def changed(event: Event, change: Callable[[Event], None]) -> Event:
    copied = copy.deepcopy(event)
    change(copied)
    return copied


def bodies(event: Event, body: bytes) -> Iterator[Forgery]:
    for at in {0, len(body) // 2, len(body)}:
        yield f"byte inserted at {at}", event, body[:at] + b"\0" + body[at:]
    for name, other in (
        ("emptied", b""),
        ("twice", body + body),
        ("spaced", body + b" "),
        ("other", b'{"CollectionId":"other"}'),
    ):
        if other != body:
            yield f"body {name}", event, other


def lines(event: Event, body: bytes) -> Iterator[Forgery]:
    for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "get", ""):
        if method.upper() != event["httpMethod"]:
            yield (
                f"method {method}",
                changed(event, lambda e, m=method: e.update(httpMethod=m)),
                body,
            )
    path = event["path"]
    for other in (
        f"{path}/..",
        f"{path}/.",
        f"{path}/x/..",
        f"/{path}",
        f"/.{path}",
        f"{path}%00",
        f"{path}%2e%2e",
        f"{path}#x",
        f"{path};x=y",
        f"{path}\t",
        f"{path}s",
        path.replace("staff", "st%61ff%20"),
        "/v1/collections/other",
        "/v1/collections/staff/users/..",
        "/v1/tags/arn",
    ):
        if other == path:
            continue

        def move(each: Event, to: str = other) -> None:
            each["path"] = each["requestContext"]["path"] = to
            route = routes.find({"REQUEST_METHOD": each["httpMethod"], "REQUEST_URI": to})
            each["resource"] = route.resource if route else "unknown"
            each["pathParameters"] = dict(route.parameters) if route else None

        yield f"path {other!r}", changed(event, move), body


def headers(event: Event, body: bytes) -> Iterator[Forgery]:
    for name, value in (
        ("X-Amz-Target", "RekognitionService.DeleteCollection"),
        ("X_Amz_Target", "RekognitionService.DeleteCollection"),
        ("x-amz_target", "RekognitionService.DeleteCollection"),
        ("X-Amz-Date", "20261123T120001Z"),
        ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
        ("X-Amz-Content-Sha256", "0" * 64),
        ("X-Amz-Security-Token", "token"),
        ("X-Amz-Anything", ""),
        ("X-Amz-Copy-Source", "/a/b"),
        ("Host", "other.example.com"),
        ("Host", "api.example.com:9000"),
        ("Host", ""),
    ):
        yield (
            f"{name}: {value}",
            changed(event, lambda e, n=name, v=value: set_header(e, n, v)),
            body,
        )
    given = event["multiValueHeaders"]
    for name in given:
        if name.lower() in ("user-agent", "authorization"):
            continue
        signed = name.lower() in given.get("Authorization", [""])[0] or name == "Host"
        if not signed:
            continue
        for what, values in (
            ("doubled", given[name] * 2),
            ("removed", []),
            ("suffixed", [f"{given[name][0]}x"]),
            ("preceded", ["x", *given[name]]),
        ):

            def alter(each: Event, n: str = name, to: list[str] = values) -> None:
                each["headers"] = {}
                each["multiValueHeaders"][n] = to
                if not to:
                    del each["multiValueHeaders"][n]

            yield f"{name} {what}", changed(event, alter), body


def authorizations(event: Event, body: bytes) -> Iterator[Forgery]:
    if "Authorization" not in event["multiValueHeaders"]:
        return
    value = event["multiValueHeaders"]["Authorization"][0]
    start, _, signature = value.rpartition("Signature=")
    names = value.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    others = [
        f"{start}Signature={signature[:at]}{'0' if signature[at] != '0' else '1'}"
        f"{signature[at + 1 :]}"
        for at in range(0, 64, 4)
    ]
    others += [f"{start}Signature={each}" for each in ("", "0" * 64, signature[:-1], signature * 2)]
    others += [f"{start}Signature={signature.upper()}", f"{value}, Signature={signature}"]
    others += [
        value.replace(";".join(names), ";".join(kept))
        for size in range(len(names))
        for kept in itertools.combinations(names, size)
    ]
    others += [
        value.replace(old, new)
        for old, new in (
            (KEY_ID, KEY_ID.lower()),
            (KEY_ID, f"{KEY_ID}x"),
            (KEY_ID, ""),
            ("/20261123/", "/20261122/"),
            ("/eu-central-1/", "/eu-west-1/"),
            ("/eu-central-1/", "//"),
            ("/rekognition/", "/s3/"),
            ("/rekognition/", "/REKOGNITION/"),
            ("/rekognition/", "/sts/"),
            ("aws4_request", "aws4_requests"),
            ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            ("AWS4-HMAC-SHA256", "AWS3-HMAC-SHA256"),
        )
    ]
    others += ["", "Basic Og==", f"AWS {KEY_ID}:{signature}", f"Bearer {signature}"]
    for other in others:
        yield other, changed(event, lambda e, v=other: set_header(e, "Authorization", v)), body
    both = [value, value]
    yield "twice", changed(event, lambda e: e["multiValueHeaders"].update(Authorization=both)), body


def queries(event: Event, body: bytes) -> Iterator[Forgery]:
    given = event["multiValueQueryStringParameters"] or {}
    for name, values in (
        ("MaxResults", ["6"]),
        ("NextToken", ["x"]),
        ("UserId", ["b"]),
        ("X-Amz-Algorithm", ["AWS4-HMAC-SHA256"]),
        ("X-Amz-Signature", ["0" * 64]),
        ("X-Amz-Security-Token", ["x"]),
        ("X-Amz-Expires", ["604800"]),
        ("x-amz-signature", ["0" * 64]),
        ("", [""]),
    ):
        if given.get(name) == values:
            continue

        def add(each: Event, n: str = name, to: list[str] = values) -> None:
            each["multiValueQueryStringParameters"] = {**given, n: to}

        # With another signature in the query, the header's is one of two.
        yield f"query {name}={values}", changed(event, add), body
    for name, values in given.items():
        for what, to in (
            ("removed", None),
            ("doubled", values * 2),
            ("suffixed", [f"{values[0]}1", *values[1:]]),
            ("emptied", [""]),
        ):

            def alter(each: Event, n: str = name, v: list[str] | None = to) -> None:
                parts = {**given, n: v or []}
                each["multiValueQueryStringParameters"] = {k: w for k, w in parts.items() if w}

            yield f"query {name} {what}", changed(event, alter), body


def test_no_forged_request_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: set[str] = set()
    accepted: list[str] = []
    for title, (event, body) in originals(monkeypatch).items():
        for what, forged, sent in forgeries(event, body):
            tried.add(f"{title}: {what}")
            if forged["resource"] == "unknown":
                continue  # answered with 404 before the signature is looked at
            try:
                check(forged, sent)
            except ServiceError as error:
                assert error.status == 400
            else:
                accepted.append(f"{title}: {what}")
    assert accepted == [], "\n".join(accepted)
    assert len(tried) >= 300


@pytest.mark.parametrize("kind", ["", "text/plain", "image/jpeg", "application/json", None])
def test_an_sdk_that_does_not_sign_the_content_type_is_accepted(
    monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    event = unsigned_type(monkeypatch, _BODY)
    set_header(event, "Content-Type", kind or "")
    if kind is None:
        del event["multiValueHeaders"]["Content-Type"]
    assert check(event, _BODY) == KEY.key


def test_the_signed_headers_of_the_javascript_sdk_version_2_are_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its request, but for the signature: AWS.Rekognition#listCollections of aws-sdk 2.1692.0.
    named = {
        "User-Agent": "aws-sdk-nodejs/2.1692.0 linux/v22.12.0 callback",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": TARGET,
        "X-Amz-Content-Sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    }
    monkeypatch.setattr(botocore.auth, "SIGNED_HEADERS_BLACKLIST", list(_BLACKLISTED))
    request = sign(**{name.replace("-", "_"): value for name, value in named.items()})
    event = event_of(request)
    event["multiValueHeaders"]["Content-Length"] = ["2"]
    names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-target,"
    assert names in event["multiValueHeaders"]["Authorization"][0]
    assert check(event) == KEY.key


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_an_unsigned_content_type_cannot_give_a_rest_body_another_meaning(row: Any) -> None:
    def read(kind: str, body: bytes) -> dict[str, Any]:
        return read_members(row.name, headers={"content-type": kind}, path={}, query={}, body=body)

    # A document that is sent on as a photo is no photo.
    for document in (b"{}", _BODY, b' {"Image":{"Bytes":""}}', b"\n[]", b""):
        for kind in ("image/jpeg", "IMAGE/png", "application/octet-stream"):
            try:
                photo = read(kind, document)["Image"]["Bytes"]
            except SerializationException:
                continue
            with pytest.raises(InvalidImage) as raised:
                images.decode(photo)
            assert isinstance(service_error(raised.value), InvalidImageFormatException)
    # A photo that is sent on as a document is no document.
    for photo in (_PNG, b"\xff\xd8\xff\xe0" + bytes(20)):
        for kind in ("", "application/json", "text/plain", "multipart/form-data"):
            with pytest.raises(SerializationException):
                read(kind, photo)
