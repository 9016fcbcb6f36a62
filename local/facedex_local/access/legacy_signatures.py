"""Presigned URLs of S3 in Signature Version 2, which boto3 makes by default for us-east-1.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
The version signs neither the host, but for a bucket that it names, nor most query parameters.
Requests that contain anything unsigned with a meaning are therefore refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from botocore.compat import HTTPHeaders
from botocore.credentials import ReadOnlyCredentials

from facedex.access.signed_request import Received
from facedex.store.access_keys import Credentials
from facedex_local.access.access_errors import MISMATCH, SESSION, UNKNOWN_KEY, Refused
from facedex_local.access.sent import bucket_of

_KEY: Final = "AWSAccessKeyId"
_PARTS: Final = (_KEY, "Signature", "Expires")
# Headers that the signer of a URL wants to be sent; botocore repeats them in the URL.
_EXPECTED: Final = ("content-type", "content-md5")
# Every other parameter that is signed has a meaning to S3.
_SIGNED: Final = frozenset(HmacV1Auth.QSAOfInterest)


def is_presigned(received: Received) -> bool:
    """Return whether a request is a presigned URL of this version."""
    return any(name == _KEY for name, _ in received.query)


def verify(
    received: Received, find: Callable[[str], Credentials | None], now: datetime
) -> Credentials:
    """Verify the signature of a presigned URL, and return the key that made it.

    Args:
        received: the request.
        find: returns the active credentials of an access key id, or None.
        now: the current time.

    Raises:
        Refused: if the signature is not valid.
    """
    given = dict(received.query)
    if len(given) != len(received.query) or not all(given.get(name) for name in _PARTS):
        raise Refused(
            "AccessDenied", f"The query parameters {', '.join(_PARTS)} are required, each once."
        )
    _check_expiry(given["Expires"], now)
    _check_rest(given, received)
    if received.has_session_token or "authorization" in received.headers:
        raise Refused(*SESSION)
    credentials = find(given[_KEY])
    if credentials is None:
        raise Refused(*UNKNOWN_KEY)
    signer = _Signer(credentials, given["Expires"])
    signature = given["Signature"].encode("utf-8", "replace")
    for path in received.paths:
        try:
            expected = signer.sign(received, path)
        except UnicodeError:
            break
        if hmac.compare_digest(expected.encode(), signature):
            return credentials
    raise Refused(*MISMATCH)


def sign_policy(credentials: Credentials, policy: str) -> str:
    """Return the signature of an upload form's policy, in base64."""
    signature: str = _Signer(credentials, "").sign_string(policy)
    return signature


def _check_expiry(expires: str, now: datetime) -> None:
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12):
        raise Refused("AccessDenied", "Expires must be a number of seconds since 1970.")
    if now.timestamp() > int(expires):
        raise Refused("AccessDenied", "Request has expired")


def _check_rest(given: dict[str, str], received: Received) -> None:
    """Check that the rest of the query is signed, or repeats a signed header."""
    for name, value in given.items():
        if name in _PARTS or (name in _SIGNED and "&" not in value):
            continue
        header = name.lower().startswith("x-amz-") or name in _EXPECTED
        if not header or list(received.headers.get(name.lower(), ())) != [value]:
            raise Refused(
                "AccessDenied",
                f"The query parameter {name[:80]!r} is not covered by this signature of version 2;"
                " sign with version 4 (in boto3: Config(signature_version='s3v4')).",
            )


class _Signer(HmacV1QueryAuth):
    """botocore's signer with the expiry of an existing signature."""

    def __init__(self, credentials: Credentials, expires: str) -> None:
        key = ReadOnlyCredentials(credentials.key.access_key_id, credentials.secret, None)
        super().__init__(key)
        self._claimed_expiry = expires

    def _get_date(self) -> str:
        return self._claimed_expiry

    def sign(self, received: Received, path: str) -> str:
        """Return the signature of a request, in base64."""
        headers: Any = HTTPHeaders()
        for name, values in received.headers.items():
            # The server reads "_" in a name as "-".
            if name.startswith("x-amz-") or name in _EXPECTED:
                for value in values:
                    headers[name] = value
            elif name.replace("_", "-").startswith("x-amz-"):
                raise UnicodeError(name)
        bucket = bucket_of(received.headers["host"][0])
        prefix = f"/{bucket}" if bucket else ""
        resource = urlsplit(f"https://host{prefix}{path}")._replace(query=_resource_query(received))
        signature: str = self.get_signature(received.method, resource, headers)
        return signature


def _resource_query(received: Received) -> str:
    # Values are signed decoded; botocore decodes once more, so "%" has to survive that.
    return "&".join(
        f"{name}={value.replace('%', '%25')}" if value else name
        for name, value in received.query
        if name in _SIGNED
    )
