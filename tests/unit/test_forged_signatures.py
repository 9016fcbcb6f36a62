"""No change to a signed request is accepted, unless it remains the same request.

Every mutation is made to a request that was valid before, and has to be refused.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import botocore.auth
import pytest

from facedex.api.catalog import OPERATIONS
from facedex.api.errors import InvalidImageFormatException, SerializationException, ServiceError
from facedex.api.rest import read_members
from facedex.runtime.faults import service_error
from facedex.vision import images
from facedex.vision.vision_errors import InvalidImage
from tests.unit.forging import UNROUTED, forgeries, set_header
from tests.unit.test_signatures import (
    KEY,
    NOW,
    TARGET,
    Event,
    call,
    check,
    event_of,
    sign,
)

_BODY = b'{"CollectionId":"staff"}'
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
_BLACKLISTED = ("content-type", "content-length", "user-agent", "expect", "x-amzn-trace-id")


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


def test_no_forged_request_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: set[str] = set()
    accepted: list[str] = []
    for title, (event, body) in originals(monkeypatch).items():
        for what, forged, sent in forgeries(event, body):
            tried.add(f"{title}: {what}")
            if forged["resource"] == UNROUTED:
                continue  # answered with 404 before the signature is looked at
            with suppress(ServiceError):
                check(forged, sent)
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
    named: dict[str, Any] = {
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
