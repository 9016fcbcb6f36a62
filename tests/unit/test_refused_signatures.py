"""Signed requests that AWS refuses are refused, with the same error messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from facedex.api.errors import (
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from tests.unit.forging import set_header
from tests.unit.signing import (
    KEY,
    KEY_ID,
    Event,
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


@pytest.mark.parametrize(
    "given", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64]
)
def test_a_payload_hash_that_does_not_match_the_body_is_refused(given: str) -> None:
    message = refused(InvalidSignatureException, call(x_amz_content_sha256=given))
    assert "is not the SHA-256 of the request's body" in message


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


def test_an_unknown_key_and_a_session_token_are_not_recognised() -> None:
    message = "The security token included in the request is invalid."
    assert refused(UnrecognizedClientException, call(key=("AKIAIOSFODNN7EXAMPLE", "x"))) == message
    assert refused(UnrecognizedClientException, call(token="session")) == message


def test_a_wrong_secret_does_not_match() -> None:
    refused(InvalidSignatureException, call(key=(KEY_ID, "wrong")))


def test_an_unsigned_request_is_refused() -> None:
    event = call()
    del event["multiValueHeaders"]["Authorization"]
    assert refused(MissingAuthenticationTokenException, event) == (
        "Request is missing Authentication Token"
    )
