"""Signature Version 4, verified: as a header, and in the query of a presigned URL.

What is refused, in which order, with which code and words, is what DynamoDB, an AWS JSON service
as Rekognition is, was seen to answer (the notes in https://github.com/mhart/dynalite, index.js);
every one of them has the HTTP status 400. The signature itself is computed by botocore's signer.
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import ReadOnlyCredentials

from facedex.access.authorization import Authorization, read_authorization
from facedex.access.signed_request import Received
from facedex.api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    UnrecognizedClientException,
)
from facedex.store.access_keys import AccessKey, Credentials

_SKEW: Final = timedelta(minutes=5)
_LONGEST: Final = 7 * 24 * 60 * 60  # seconds that a presigned URL may be good for
_ALGORITHM: Final = "AWS4-HMAC-SHA256"

_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")

_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS"
    " Secret Access Key and signing method. Consult the service documentation for details."
)
_UNKNOWN: Final = "The security token included in the request is invalid."


def verify(
    event: Mapping[str, Any],
    body: bytes,
    find: Callable[[str], Credentials | None],
    *,
    now: datetime | None = None,
) -> AccessKey:
    """The key that a request is truly signed with.

    A request that was overheard can be repeated as it is while its date is good, five minutes, as
    at AWS: what prevents overhearing is TLS.

    Args:
        event: a REST proxy event of API Gateway.
        body: the request's body, as it was sent.
        find: gives the key of an id, if there is one that works.
        now: the time to judge by, if not the clock's.

    Raises:
        ServiceError: it is not signed, or not as it must be; see the module's errors.
    """
    received = Received.from_event(event, body)
    claimed = read_authorization(received)
    _check_date(claimed, now or datetime.now(UTC))
    _check_signed_headers(claimed, received)
    _check_scope(claimed, received)
    credentials = find(claimed.access_key_id)
    # The product's keys have no session tokens.
    if credentials is None or received.has_session_token:
        raise UnrecognizedClientException(_UNKNOWN)
    _check_signature(claimed, received, credentials)
    return credentials.key


def _check_date(claimed: Authorization, now: datetime) -> None:
    signed = _time(claimed.date)
    if signed > now + _SKEW:
        raise InvalidSignatureException(
            f"Signature not yet current: {claimed.date} is still later than {_stamp(now + _SKEW)}"
            f" ({_stamp(now)} + 5 min.)"
        )
    if claimed.expires is None:
        life, spelt = _SKEW, "5 min."
    else:
        life, spelt = _lifetime(claimed.expires), f"{claimed.expires} sec."
    if signed < now - life:
        raise InvalidSignatureException(
            f"Signature expired: {claimed.date} is now earlier than {_stamp(now - life)}"
            f" ({_stamp(now)} - {spelt})"
        )


def _time(date: str) -> datetime:
    # strptime alone would also take numbers with digits missing.
    if _DATE.fullmatch(date):
        with suppress(ValueError):
            return datetime.strptime(date, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    raise IncompleteSignatureException(
        f"Date must be in ISO-8601 'basic format'. Got '{date[:40]}'."
        " See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _stamp(time: datetime) -> str:
    return time.strftime(SIGV4_TIMESTAMP)


def _lifetime(expires: str) -> timedelta:
    # Seven digits at most: int() of thousands would be work for nothing.
    if expires.isascii() and expires.isdecimal() and len(expires) <= 7:
        seconds = int(expires)
        if 1 <= seconds <= _LONGEST:
            return timedelta(seconds=seconds)
    raise InvalidSignatureException(
        f"X-Amz-Expires must be from 1 to {_LONGEST} seconds (seven days)."
    )


def _check_signed_headers(claimed: Authorization, received: Received) -> None:
    for name in received.must_be_signed:
        if name not in claimed.signed_headers:
            raise InvalidSignatureException(
                f"'{name[:80]}' must be a 'SignedHeader' in the AWS Authorization."
            )


def _check_scope(claimed: Authorization, received: Received) -> None:
    if claimed.algorithm != _ALGORITHM:
        raise IncompleteSignatureException(
            f"Unsupported AWS 'algorithm': '{claimed.algorithm[:40]}' (only {_ALGORITHM} for now)."
        )
    # A REST route may also be called as any API behind an API Gateway is.
    services = ("rekognition",) if received.is_aws_json else ("rekognition", "execute-api")
    wrong = []
    if not claimed.region:
        wrong.append("Credential should be scoped to a valid region, not ''.")
    if claimed.service not in services:
        wrong.append("Credential should be scoped to correct service: 'rekognition'.")
    if claimed.terminator != "aws4_request":
        wrong.append("Credential should be scoped with a valid terminator: 'aws4_request'.")
    if claimed.day != claimed.date[:8]:
        wrong.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: '{claimed.day[:8]}' != '{claimed.date[:8]}', from '{claimed.date}'."
        )
    if wrong:
        raise InvalidSignatureException(" ".join(wrong))


def _check_signature(claimed: Authorization, received: Received, credentials: Credentials) -> None:
    digest = sha256(received.body).hexdigest()
    # No operation of Rekognition's service model lets its payload go unsigned
    # (botocore's "unsignedPayload"), so UNSIGNED-PAYLOAD is a wrong digest as any other.
    if any(given != digest for given in received.headers.get("x-amz-content-sha256", ())):
        raise InvalidSignatureException(
            "The X-Amz-Content-Sha256 header is not the SHA-256 of the request's body."
        )
    signer = Signer(claimed, credentials, digest)
    for path in received.paths:
        try:
            expected = signer.sign(received, path)
        except UnicodeError:
            # A lone surrogate, which no request that came over HTTP can have.
            break
        if hmac.compare_digest(expected.encode(), claimed.signature.encode("utf-8", "replace")):
            return
    raise InvalidSignatureException(_MISMATCH)


class Signer(SigV4Auth):
    """botocore's signer, told what was signed where it would otherwise choose for itself."""

    def __init__(self, claimed: Authorization, credentials: Credentials, digest: str) -> None:
        key = ReadOnlyCredentials(credentials.key.access_key_id, credentials.secret, None)
        super().__init__(key, claimed.service, claimed.region)
        self._claimed = claimed
        self._digest = digest

    def sign(self, received: Received, path: str) -> str:
        """The signature of a request for ``path`` (as sent, percent-encoded), in hexadecimal."""
        query = received.query
        if self._claimed.expires is not None:
            query = [pair for pair in query if pair[0] != "X-Amz-Signature"]
        # A mapping in botocore's stubs; its signer takes pairs too, and names may repeat.
        pairs: Any = query
        request = AWSRequest(
            method=received.method, url=f"https://host/{path.removeprefix('/')}", params=pairs
        )
        for name in self._claimed.signed_headers:
            for value in received.headers.get(name, ()):
                request.headers[name] = value
        request.context["timestamp"] = self._claimed.date
        return self.signature(
            self.string_to_sign(request, self.canonical_request(request)), request
        )

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """Those that the signature says it covers."""
        # botocore's own choice leaves out some, such as User-Agent, that another SDK may sign.
        headers: HTTPHeaders = request.headers
        return headers

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002
        """SHA-256 of the body, in hexadecimal; known already."""
        return self._digest
