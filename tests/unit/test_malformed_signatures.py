"""Signatures that cannot be read are refused, with AWS's error messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from facedex.api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    ServiceError,
)
from tests.unit.forging import set_header
from tests.unit.signing import (
    HOST,
    KEY_ID,
    call,
    check,
    event_of,
    presigned,
    refused,
    set_client_clock,
)


@pytest.fixture(autouse=True)
def _client_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_client_clock(monkeypatch, timedelta())


@pytest.mark.parametrize(
    "date",
    ["", "201", "2026-11-23T12:00:00Z", "20261323T120000Z", "20261123T1200Z", "٢٠٢٦1123T120000Z"],
)
def test_a_date_of_another_form_is_refused(date: str) -> None:
    event = call()
    set_header(event, "X-Amz-Date", date)
    refused(IncompleteSignatureException, event)


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
