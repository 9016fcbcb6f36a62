"""Pinning of a verified request to what was verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from facedex.access.signatures import ALGORITHM, TERMINATOR
from facedex.settings import DEFAULT_REGION
from facedex_local.access.sent import bucket_of
from facedex_local.http.gateway import Environ

_AMZ_JSON: Final = "application/x-amz-json-1.1"
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Verified:
    """What the signature of a request covers.

    Attributes:
        access_key_id: the key that signed it.
        service, region, day: the scope of the signature.
        signs_type: whether the signature covers Content-Type.
        has_content: whether a body has been read, and is not empty.
        is_document: whether it begins as JSON does.
        signs_host: whether the signature covers the host; otherwise the host counts only if it
            names a bucket that was verified.
    """

    access_key_id: str
    service: str
    region: str = DEFAULT_REGION
    day: str = "20000101"
    signs_type: bool = True
    has_content: bool = False
    is_document: bool = False
    signs_host: bool = True


def pin(environ: Environ, verified: Verified) -> None:
    """Change a request so that moto reads what the signature covers, and nothing else.

    moto takes the service from the header Authorization, or else from an unsigned body; a bucket's
    name from the host; and an action from whatever body is of a form's type.
    """
    scope = f"{verified.day}/{verified.region}/{verified.service}/{TERMINATOR}"
    environ["HTTP_AUTHORIZATION"] = (
        f"{ALGORITHM} Credential={verified.access_key_id}/{scope}, SignedHeaders=host, Signature=-"
    )
    if not verified.signs_host:
        bucket = bucket_of(environ.get("HTTP_HOST", ""))
        name = f"{bucket}.localhost" if bucket else "localhost"
        environ["HTTP_HOST"] = f"{name}:{environ['SERVER_PORT']}"
    if verified.service != "s3" and not verified.signs_type:
        environ["CONTENT_TYPE"] = _content_type(environ, verified)


def _content_type(environ: Environ, verified: Verified) -> str:
    if "HTTP_X_AMZ_TARGET" in environ:
        return _AMZ_JSON
    if not verified.has_content:
        return ""  # moto finds no operation of a REST service in a request with a form
    return _JSON if verified.is_document else _FORM
