"""Verification of Signature Version 4, in a header or in the query string of a presigned URL.

The checks, their order, and the codes and texts of their errors are those observed for DynamoDB,
which is an AWS JSON service like Rekognition (the notes in https://github.com/mhart/dynalite,
index.js). All errors have the HTTP status 400. botocore's signer computes the signature.
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import ReadOnlyCredentials
from botocore.utils import normalize_url_path

from facedex.access.authorization import Authorization, read_authorization
from facedex.access.signed_request import Received
from facedex.api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    UnrecognizedClientException,
)
from facedex.store.access_keys import AccessKey, Credentials

_SKEW: Final = timedelta(minutes=5)
_LONGEST: Final = 7 * 24 * 60 * 60  # maximum lifetime of a presigned URL in seconds
ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"
_S3: Final = "s3"

_DATE: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")

MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS"
    " Secret Access Key and signing method. Consult the service documentation for details."
)
UNKNOWN: Final = "The security token included in the request is invalid."


def verify(
    event: Mapping[str, Any],
    body: bytes,
    find: Callable[[str], Credentials | None],
    *,
    now: datetime | None = None,
) -> AccessKey:
    """Verify the signature of a request to the face API and return the key that signed it.

    As at AWS, an intercepted request can be replayed unchanged for the five minutes in which its
    date is valid; TLS prevents interception.

    Args:
        event: a REST proxy event of API Gateway.
        body: the request's body, as it was sent.
        find: returns the active credentials of an access key id, or None.
        now: the current time; by default the system clock's.

    Raises:
        ServiceError: if the request is not signed or its signature is not valid.
    """
    received = Received.from_event(event, body)
    # Requests to a REST route may also be signed for API Gateway's service name.
    services = ("rekognition",) if received.is_aws_json else ("rekognition", "execute-api")
    claimed, credentials = check_claims(received, find, services=services, now=now)
    check_signature(claimed, received, credentials, sha256(body).hexdigest())
    return credentials.key


def check_claims(
    received: Received,
    find: Callable[[str], Credentials | None],
    *,
    services: Collection[str] | None = None,
    now: datetime | None = None,
) -> tuple[Authorization, Credentials]:
    """Check what can be checked of a signature before the body is known.

    Args:
        received: the request.
        find: returns the active credentials of an access key id, or None.
        services: the names that the signature may be scoped to, the first of which the error
            message recommends; None for any.
        now: the current time; by default the system clock's.

    Returns:
        The parameters of the signature, and the key that is said to have made it.

    Raises:
        ServiceError: if the request is not signed or its signature cannot be valid.
    """
    claimed = read_authorization(received)
    _check_date(claimed, now or datetime.now(UTC))
    _check_signed_headers(claimed, received)
    _check_scope(claimed, services)
    credentials = find(claimed.access_key_id)
    # The product's keys have no session tokens.
    if credentials is None or received.has_session_token:
        raise UnrecognizedClientException(UNKNOWN)
    return claimed, credentials


def check_signature(
    claimed: Authorization, received: Received, credentials: Credentials, digest: str
) -> None:
    """Check that a key has made the signature of a request.

    Args:
        claimed: the signature and its parameters.
        received: the request.
        credentials: the key.
        digest: SHA-256 of the body in hexadecimal, or the text that the service's clients sign in
            its place.

    Raises:
        ServiceError: if it has not.
    """
    # No operation of Rekognition's service model allows an unsigned payload (botocore's
    # "unsignedPayload"), so UNSIGNED-PAYLOAD is treated as any other wrong digest.
    if any(given != digest for given in received.headers.get("x-amz-content-sha256", ())):
        raise InvalidSignatureException(
            "The X-Amz-Content-Sha256 header is not the SHA-256 of the request's body."
        )
    if not is_signed_by(credentials, claimed, received, digest):
        raise InvalidSignatureException(MISMATCH)


def is_signed_by(
    credentials: Credentials, claimed: Authorization, received: Received, digest: str
) -> bool:
    """Return whether the signature of a request was made with a key's secret.

    Args:
        credentials: the key.
        claimed: the signature and its parameters.
        received: the request.
        digest: SHA-256 of the body in hexadecimal, or what is signed in its place.
    """
    signer = Signer(claimed, credentials, digest)
    for path in received.paths:
        if claimed.service != _S3 and normalize_url_path(path) != path:
            # "/a/b/.." has the signature of "/a/", but is another resource.
            continue
        try:
            expected = signer.sign(received, path)
        except UnicodeError:
            # A lone surrogate, which no request over HTTP can contain.
            return False
        if hmac.compare_digest(expected.encode(), claimed.signature.encode("utf-8", "replace")):
            return True
    return False


def _check_date(claimed: Authorization, now: datetime) -> None:
    signed = parse_time(claimed.date)
    if signed > now + _SKEW:
        raise InvalidSignatureException(
            f"Signature not yet current: {claimed.date} is still later than {_stamp(now + _SKEW)}"
            f" ({_stamp(now)} + 5 min.)"
        )
    if claimed.expires is None:
        lifetime, lifetime_text = _SKEW, "5 min."
    else:
        lifetime, lifetime_text = parse_lifetime(claimed.expires), f"{claimed.expires} sec."
    if signed < now - lifetime:
        raise InvalidSignatureException(
            f"Signature expired: {claimed.date} is now earlier than {_stamp(now - lifetime)}"
            f" ({_stamp(now)} - {lifetime_text})"
        )


def parse_time(date: str) -> datetime:
    """Return the time of a signature.

    Raises:
        IncompleteSignatureException: if the time has another form.
    """
    # strptime alone would also accept numbers with missing digits.
    if _DATE.fullmatch(date):
        with suppress(ValueError):
            return datetime.strptime(date, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    raise IncompleteSignatureException(
        f"Date must be in ISO-8601 'basic format'. Got '{date[:40]}'."
        " See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _stamp(time: datetime) -> str:
    return time.strftime(SIGV4_TIMESTAMP)


def parse_lifetime(expires: str) -> timedelta:
    """Return the time for which a presigned URL is valid.

    Raises:
        InvalidSignatureException: if it is not a number of seconds, or more than seven days.
    """
    # Limited to seven digits, as int() is slow for thousands of digits.
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


def _check_scope(claimed: Authorization, services: Collection[str] | None) -> None:
    if claimed.algorithm != ALGORITHM:
        raise IncompleteSignatureException(
            f"Unsupported AWS 'algorithm': '{claimed.algorithm[:40]}' (only {ALGORITHM} for now)."
        )
    wrong = []
    if not claimed.region:
        wrong.append("Credential should be scoped to a valid region, not ''.")
    if services is not None and claimed.service not in services:
        wrong.append(f"Credential should be scoped to correct service: '{next(iter(services))}'.")
    if claimed.terminator != TERMINATOR:
        wrong.append("Credential should be scoped with a valid terminator: 'aws4_request'.")
    if claimed.day != claimed.date[:8]:
        wrong.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: '{claimed.day[:8]}' != '{claimed.date[:8]}', from '{claimed.date}'."
        )
    if wrong:
        raise InvalidSignatureException(" ".join(wrong))


class Signer(SigV4Auth):
    """botocore's signer with the date and headers of an existing signature."""

    def __init__(self, claimed: Authorization, credentials: Credentials, digest: str) -> None:
        key = ReadOnlyCredentials(credentials.key.access_key_id, credentials.secret, None)
        super().__init__(key, claimed.service, claimed.region)
        self._claimed = claimed
        self._digest = digest

    def sign(self, received: Received, path: str) -> str:
        """Return the signature of a request, in hexadecimal.

        Args:
            received: the request.
            path: the path as it was sent, percent-encoded.
        """
        query = received.query
        if self._claimed.expires is not None:
            query = [pair for pair in query if pair[0] != "X-Amz-Signature"]
        # botocore's stubs say mapping; its signer accepts pairs too, in which names may repeat.
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

    def sign_text(self, text: str) -> str:
        """Return the signature of a text, in hexadecimal: a chunk's or a policy's."""
        request = AWSRequest()
        request.context["timestamp"] = self._claimed.date
        signature: str = self.signature(text, request)
        return signature

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """Return the headers that the signature covers."""
        # By default botocore omits some, such as User-Agent, that another SDK may sign.
        headers: HTTPHeaders = request.headers
        return headers

    def _normalize_url_path(self, path: str) -> str:
        # S3 signs a path as it is, because "." and "//" can be parts of an object's name.
        if self._claimed.service == _S3:
            return path
        # botocore's stubs leave the method out.
        normalised: str = super()._normalize_url_path(path)  # type: ignore[misc]
        return normalised

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002
        """Return the precomputed SHA-256 of the body, in hexadecimal."""
        return self._digest
