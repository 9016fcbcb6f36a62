"""``--auth keys`` refuses unsigned requests and many kinds of invalid or forged ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.e2e.keys import Key, ask, client, code, signed


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/", {"X-Amz-Target": "RekognitionService.ListCollections"}),
        ("POST", "/", {"X-Amz-Target": "RekognitionService.Nothing"}),
        ("GET", "/v1/collections", {}),
        ("DELETE", "/v1/collections/made-with-a-key", {}),
    ],
)
def test_an_unsigned_request_is_refused(
    guarded: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    status, answer = ask(f"{guarded.url}{path}", method, headers=headers)
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_a_wrong_secret_and_an_unknown_key_are_distinguished(guarded: Server, key: Key) -> None:
    wrong = client(guarded, (key[0], "wrong"))
    assert code(wrong.list_collections) == "InvalidSignatureException"
    for unknown in ("testing", "FDXAAAAAAAAAAAAAAAAA", "AKIAIOSFODNN7EXAMPLE"):
        stranger = client(guarded, (unknown, key[1]))
        assert code(stranger.list_collections) == "UnrecognizedClientException"


def test_a_session_token_is_not_recognised(guarded: Server, key: Key) -> None:
    with_token = client(guarded, key, aws_session_token="token")
    assert code(with_token.list_collections) == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("minutes", "says"), [(-6, "Signature expired"), (6, "Signature not yet current")]
)
def test_a_clients_clock_must_be_right(
    guarded: Server, key: Key, monkeypatch: pytest.MonkeyPatch, minutes: int, says: str
) -> None:
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: wrong)
    with pytest.raises(ClientError, match=says) as refused:
        client(guarded, key).list_collections()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_an_old_request_cannot_be_given_a_new_date(guarded: Server, key: Key) -> None:
    url = f"{guarded.url}/v1/collections"
    headers = signed(url, key)
    later = datetime.now(UTC) + timedelta(seconds=30)
    headers["X-Amz-Date"] = later.strftime("%Y%m%dT%H%M%SZ")
    status, answer = ask(url, headers=headers)
    assert (status, answer["__type"]) == (400, "InvalidSignatureException")


def _other_body(request: Any) -> None:
    request.body = b'{"CollectionId": "made-with-a-key"}'


def _other_target(request: Any) -> None:
    del request.headers["X-Amz-Target"]
    request.headers["X-Amz-Target"] = "RekognitionService.DeleteCollection"


def _other_type(request: Any) -> None:
    del request.headers["Content-Type"]
    request.headers["Content-Type"] = "image/jpeg"


def _another_header(request: Any) -> None:
    request.headers["X-Amz-Another"] = "unsigned"


def _a_query(request: Any) -> None:
    request.url += "?MaxResults=1"


def _no_date(request: Any) -> None:
    del request.headers["X-Amz-Date"]


def _no_signature(request: Any) -> None:
    del request.headers["Authorization"]


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (_other_body, "InvalidSignatureException"),
        (_other_target, "InvalidSignatureException"),
        (_other_type, "InvalidSignatureException"),
        (_another_header, "InvalidSignatureException"),
        (_a_query, "InvalidSignatureException"),
        (_no_date, "IncompleteSignatureException"),
        (_no_signature, "MissingAuthenticationTokenException"),
    ],
)
def test_a_tampered_request_is_refused_and_changes_nothing(
    guarded: Server, key: Key, tamper: Callable[[Any], None], expected: str
) -> None:
    rekognition = client(guarded, key)

    def change(request: Any, **_: Any) -> None:
        tamper(request)

    rekognition.meta.events.register("before-send.rekognition", change)
    assert code(lambda: rekognition.create_collection(CollectionId="tampered")) == expected
    left = client(guarded, key).list_collections()["CollectionIds"]
    assert "tampered" not in left


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/rekognition/aws4_request, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=a/b/c/rekognition/aws4_request,SignedHeaders=host,Signature=0",
        "AWS4-HMAC-SHA256 " + "Credential=/, " * 500,
        "AWS4-HMAC-SHA256 " + "x" * 20_000,
        "Basic dGVzdDp0ZXN0",
        "Bearer eyJhbGciOiJub25lIn0",
        "",
        "\xff\xfe",
    ],
)
def test_a_garbage_authorization_header_is_refused(guarded: Server, authorization: str) -> None:
    headers = {
        "Authorization": authorization,
        "X-Amz-Target": "RekognitionService.ListCollections",
        "X-Amz-Date": "20260101T000000Z",
    }
    status, answer = ask(guarded.url + "/", "POST", b"{}", headers)
    assert status == 400
    assert answer["__type"] in (
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
    )
