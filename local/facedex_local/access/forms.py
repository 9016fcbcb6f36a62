"""Uploads from a browser's form, which a signed policy allows.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html. The form is
parsed as moto parses it, so that both read the same fields. What moto would read and no policy can
cover is refused: headers, query parameters, the host, a second file.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final
from urllib.parse import unquote

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import parse_form_data
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from facedex.access.authorization import Authorization
from facedex.access.signatures import Signer, parse_time
from facedex.api.errors import ServiceError
from facedex.store.access_keys import Credentials
from facedex_local.access import form_policies, legacy_signatures
from facedex_local.access.access_errors import MISMATCH, SESSION, UNKNOWN_KEY, UNSIGNED, Refused
from facedex_local.access.form_policies import Fields
from facedex_local.access.s3_signatures import check_scope
from facedex_local.access.sent import bucket_of
from facedex_local.http.environs import HEADERS
from facedex_local.http.gateway import Environ, raw_path

_FILE: Final = "file"
_SIGNATURE: Final = "x-amz-signature"
_LEGACY_SIGNATURE: Final = "signature"
_LEGACY_KEY: Final = "awsaccesskeyid"
_PLACEHOLDER: Final = "${filename}"
# Bytes of a policy; conditions on every field of a large form fit.
_LONGEST_POLICY: Final = 64 * 1024
# Bytes of a form that are read before its signature is checked. As in S3, the file comes last.
HEAD: Final = 256 * 1024
_MOST_IN_MEMORY: Final = 16 * 1024 * 1024  # bytes of all fields but the file


@dataclass(frozen=True, slots=True)
class _Form:
    """An upload form.

    Attributes:
        fields: values by lower-case name, without the file.
        size: bytes of the file.
    """

    fields: Fields
    size: int


def is_form(environ: Environ) -> bool:
    """Return whether an unsigned request is an upload form to a bucket."""
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE", "").lower().startswith("multipart/form-data")
        and _bucket(environ) != ""
    )


def check_head(environ: Environ, find: Callable[[str], Credentials | None], head: bytes) -> None:
    """Check, before the file of a form is read, that the fields before it contain a signed policy.

    Args:
        environ: the request.
        find: returns the active credentials of an access key id, or None.
        head: the first bytes of the body, ``HEAD`` if it has as many.

    Raises:
        Refused: if they do not.
    """
    _, options = parse_options_header(environ.get("CONTENT_TYPE", ""))
    decoder = MultipartDecoder(options.get("boundary", "").encode("latin-1", "replace"))
    fields: dict[str, str] = {}
    name, value = "", b""
    try:
        decoder.receive_data(head)
        event = decoder.next_event()
        while not isinstance(event, (File, NeedData, Epilogue)):
            if isinstance(event, Field):
                name, value = event.name.lower(), b""
            elif isinstance(event, Data):
                value += event.data
                fields[name] = value.decode("utf-8", "replace")
            event = decoder.next_event()
    except (ValueError, HTTPException):
        raise _malformed() from None
    if "policy" not in fields:
        raise Refused(*UNSIGNED)
    _verify_signature(fields, find)


def verify(
    environ: Environ, body: IO[bytes], find: Callable[[str], Credentials | None], now: datetime
) -> Credentials:
    """Verify that a signed policy allows a form, and return the key that signed the policy.

    Args:
        environ: the request.
        body: its body, at its start.
        find: returns the active credentials of an access key id, or None.
        now: the current time.

    Raises:
        Refused: if it does not.
    """
    amz = any(name.replace(b"_", b"-").startswith(b"x-amz-") for name, _ in environ[HEADERS])
    if environ["QUERY_STRING"] or amz:
        raise Refused(
            "AccessDenied", "An upload form has neither query parameters nor x-amz- headers."
        )
    form = _parse(environ, body)
    if "policy" not in form.fields:
        raise Refused(*UNSIGNED)
    if len(form.fields["policy"]) > _LONGEST_POLICY:
        raise form_policies.invalid("The policy is too long.")
    credentials = _verify_signature(form.fields, find)
    form_policies.check(form.fields, form.size, _bucket(environ), now)
    return credentials


def _bucket(environ: Environ) -> str:
    """Return the bucket that the address names, or "" if it is not a bucket's."""
    path = raw_path(environ)
    if bucket := bucket_of(environ.get("HTTP_HOST", "")):
        return bucket if path == "/" else ""
    name = unquote(path[1:].removesuffix("/"))
    return "" if "/" in name else name


def _parse(environ: Environ, body: IO[bytes]) -> _Form:
    size = body.seek(0, 2)
    body.seek(0)
    own = {**environ, "wsgi.input": body, "CONTENT_LENGTH": str(size)}
    try:
        _, form, files = parse_form_data(own, silent=False, max_form_memory_size=_MOST_IN_MEMORY)
    except (ValueError, HTTPException):
        raise _malformed() from None
    fields: dict[str, str] = {}
    for name, value in form.items(multi=True):
        if name.lower() in fields:
            raise _invalid_form(f"The field {name[:80]!r} occurs twice.")
        if name.lower() == "key" != name:
            raise _invalid_form("The field 'key' is written in lower case.")  # as moto reads it
        fields[name.lower()] = value
    uploads = list(files.items(multi=True))
    try:
        return _read_file(fields, uploads)
    finally:
        for _, upload in uploads:
            upload.close()


def _read_file(fields: dict[str, str], uploads: list[tuple[str, FileStorage]]) -> _Form:
    if _FILE in fields and not uploads:
        size = len(fields.pop(_FILE).encode())
    elif _FILE not in fields and [name for name, _ in uploads] == [_FILE]:
        upload = uploads[0][1]
        size = upload.stream.seek(0, 2)
        name = (upload.filename or "").rpartition("/")[2]
        if "key" in fields:
            fields["key"] = fields["key"].replace(_PLACEHOLDER, name)
    else:
        raise _invalid_form("POST requires exactly one file upload per request.")
    if not fields.get("key"):
        raise _invalid_form("Bucket POST must contain a field named 'key'.")
    return _Form(fields, size)


def _verify_signature(fields: Fields, find: Callable[[str], Credentials | None]) -> Credentials:
    if "x-amz-security-token" in fields:
        raise Refused(*SESSION)
    if _LEGACY_KEY in fields and _LEGACY_SIGNATURE in fields and _SIGNATURE not in fields:
        credentials = _find(fields[_LEGACY_KEY], find)
        expected = legacy_signatures.sign_policy(credentials, fields["policy"])
        given = fields[_LEGACY_SIGNATURE]
    else:
        claimed = _read_claims(fields)
        credentials = _find(claimed.access_key_id, find)
        expected = Signer(claimed, credentials, "").sign_text(fields["policy"])
        given = claimed.signature
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise Refused(*MISMATCH)
    return credentials


def _read_claims(fields: Fields) -> Authorization:
    parts = fields.get("x-amz-credential", "").split("/")
    date = fields.get("x-amz-date", "")
    if len(parts) != 5 or not fields.get(_SIGNATURE):
        raise Refused(*UNSIGNED)
    try:
        parse_time(date)
    except ServiceError as error:
        raise form_policies.invalid(error.message) from None
    access_key_id, day, region, service, terminator = parts
    claimed = Authorization(
        algorithm=fields.get("x-amz-algorithm", ""),
        access_key_id=access_key_id,
        day=day,
        region=region,
        service=service,
        terminator=terminator,
        date=date,
        signed_headers=(),
        signature=fields[_SIGNATURE],
        expires=None,
    )
    check_scope(claimed, presigned=False)
    return claimed


def _find(access_key_id: str, find: Callable[[str], Credentials | None]) -> Credentials:
    credentials = find(access_key_id)
    if credentials is None:
        raise Refused(*UNKNOWN_KEY)
    return credentials


def _malformed() -> Refused:
    return Refused("MalformedPOSTRequest", "The body is not well-formed multipart/form-data.", 400)


def _invalid_form(reason: str) -> Refused:
    return Refused("InvalidArgument", reason, 400)
