"""Presigned URLs are verified as by AWS."""

from __future__ import annotations

from datetime import timedelta

import pytest

from facedex.api.errors import IncompleteSignatureException, InvalidSignatureException
from tests.unit.signing import KEY, check, presigned, refused, set_client_clock


@pytest.fixture(autouse=True)
def _client_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_client_clock(monkeypatch, timedelta())


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
