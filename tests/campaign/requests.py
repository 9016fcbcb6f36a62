"""Signed HTTP requests as lists of their parts, which can be changed after the signing."""

from __future__ import annotations

import http.client
import json
import posixpath
import re
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.auth
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

Header = tuple[str, str]
_REGION = "us-east-1"
_CLOCK = threading.Lock()
_SIGNED = re.compile(r"SignedHeaders=([^,\s]+)")


@dataclass(frozen=True)
class Signed:
    """A request as it is sent.

    Attributes:
        method: HTTP method.
        target: path and query.
        headers: names and values, in their order; names may repeat.
        body: the body.
    """

    method: str
    target: str
    headers: tuple[Header, ...]
    body: bytes

    def with_headers(self, *headers: Header) -> Signed:
        return replace(self, headers=headers)

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for each, value in self.headers if each.lower() == name.lower()]

    @property
    def is_for_s3(self) -> bool:
        """Whether the signature is one for S3, which covers a path as it is."""
        return any(
            "/s3/" in value for value in (unquote(self.target), *self.values("Authorization"))
        )

    def essence(self) -> tuple[object, ...]:
        """Return all that a signature has to cover; equal for requests that mean the same.

        These are the method, the path, the query in any order, the body, the authorization, and the
        headers ``host``, ``x-amz-*`` and those that are signed.
        """
        path, _, query = self.target.partition("?")
        present = {name.lower() for name, _ in self.headers}
        signed: set[str] = set()
        authorizations = set()
        for value in filter(None, self.values("Authorization")):  # an empty one claims nothing
            # A name without a header adds nothing to what is signed, and their order is fixed.
            named = set(";".join(_SIGNED.findall(value)).lower().split(";")) & present
            signed |= named
            parts = re.split(r"[,\s]+", _SIGNED.sub("", value).strip(", "))
            authorizations.add((frozenset(parts), frozenset(named)))
        covered = sorted(
            (name.lower(), " ".join(value.split()))
            for name, value in self.headers
            if name.lower() in signed | {"host"} or name.lower().startswith("x-amz-")
        )
        pairs = sorted(parse_qsl(query.partition("#")[0], keep_blank_values=True))
        path = unquote(path)
        # A presigned URL of S3 does not cover the body. The name may be percent-encoded.
        is_presigned = any(name == "X-Amz-Signature" for name, _ in pairs)
        body = b"" if self.is_for_s3 and is_presigned else self.body
        if not self.is_for_s3:
            # Signature Version 4 covers the path after the removal of redundant parts (RFC 3986).
            path = posixpath.normpath("/" + path.lstrip("/"))
        return (self.method, path, pairs, covered, authorizations, body)


def sign(
    url: str,
    key: tuple[str, str],
    method: str,
    target: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    when: datetime | None = None,
    service: str = "rekognition",
    presigned: bool = False,
) -> Signed:
    """Return a request that botocore signed with an access key, at a time of choice."""
    # botocore would add the body of a presigned request to its query.
    data = b"" if presigned else body
    request = AWSRequest(method, url + target, data=data, headers=headers or {})
    credentials = ReadOnlyCredentials(*key, None)
    signer: Any
    if service == "s3":
        signer = (S3SigV4QueryAuth if presigned else S3SigV4Auth)(credentials, service, _REGION)
    else:
        signer = (SigV4QueryAuth if presigned else SigV4Auth)(credentials, service, _REGION)
    moment = when or datetime.now(UTC)
    # botocore has one clock for all threads.
    with _CLOCK, mock.patch.object(botocore.auth, "get_current_datetime", return_value=moment):
        signer.add_auth(request)
    parts = urlsplit(str(request.url))
    sent = [("Host", parts.netloc), *request.headers.items()]
    if body:
        sent.append(("Content-Length", str(len(body))))
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Signed(method, target, tuple((name, str(value)) for name, value in sent), body)


def send(url: str, request: Signed, timeout: float) -> tuple[int, Any]:
    """Send a request exactly as it is, and return the status and the JSON document, if any."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    # The target may contain anything; http.client would refuse to send it.
    connection._validate_path = lambda _: None  # type: ignore[attr-defined]
    try:
        connection.putrequest(
            request.method, request.target, skip_host=True, skip_accept_encoding=True
        )
        for name, value in request.headers:
            connection.putheader(name, value.encode("latin-1", "replace"))
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        read = answer.read()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(read)
    except ValueError:
        return answer.status, {}
