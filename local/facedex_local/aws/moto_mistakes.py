"""A change to moto's S3 that answers clients' mistakes with S3's errors.

Unchanged, moto fails at an upload or a page that does not exist, with an error that SDKs repeat;
it stores the parts of an upload in a wrong order; and it stores bodies that were changed on their
way, without a look at their checksums.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import wraps
from hashlib import md5
from typing import Any, Final

# Those for which moto needs no further package.
_CHECKSUMS: Final = ("CRC32", "SHA1", "SHA256")
_MD5: Final = "Content-MD5"
_LONGEST_TRAILER: Final = 1024  # bytes
_UPLOADS: Final = ("upload_part", "upload_part_copy", "complete_multipart_upload")


def report_mistakes() -> None:
    """Change moto to refuse unknown uploads and pages, parts in a wrong order, wrong checksums."""
    from moto.s3 import exceptions, models, responses
    from moto.s3.utils import compute_checksum

    backend: Any = models.S3Backend
    handlers: Any = responses.S3Response
    truncate = backend.list_objects_v2
    read_parts = handlers._complete_multipart_body

    def require_upload(method: Any) -> Any:
        @wraps(method)
        def call(store: Any, bucket: str, upload: str, *arguments: Any, **named: Any) -> Any:
            if upload not in store.get_bucket(bucket).multiparts:
                raise exceptions.NoSuchUpload(upload_id=upload)
            return method(store, bucket, upload, *arguments, **named)

        return call

    @wraps(truncate)
    def require_token(store: Any, *arguments: Any, continuation_token: Any, **named: Any) -> Any:
        if continuation_token and continuation_token not in store._pagination_tokens:
            raise exceptions.InvalidContinuationToken
        return truncate(store, *arguments, continuation_token=continuation_token, **named)

    @wraps(read_parts)
    def require_order(handler: Any, body: bytes) -> Iterator[tuple[int, str]]:
        last = 0
        for number, etag in read_parts(handler, body):
            if number <= last:
                raise exceptions.InvalidPartOrder
            last = number
            yield number, etag

    def require_checksums(method: Any) -> Any:
        @wraps(method)
        def call(handler: Any) -> Any:
            body = handler.body or b""
            for name, expected in _checksums(handler):
                actual = (
                    base64.b64encode(md5(body, usedforsecurity=False).digest())
                    if name == _MD5
                    else compute_checksum(body, name)
                )
                if actual.decode() != expected:
                    raise exceptions.S3ClientError(
                        "BadDigest",
                        f"The {name} you specified did not match the calculated checksum.",
                    )
            return method(handler)

        return call

    for name in ("put_object", "upload_part"):
        setattr(handlers, name, require_checksums(getattr(handlers, name)))
    for name in _UPLOADS:
        setattr(backend, name, require_upload(getattr(backend, name)))
    backend.list_objects_v2 = require_token
    handlers._complete_multipart_body = require_order


def _checksums(handler: Any) -> Iterator[tuple[str, str]]:
    """Return the checksums of a request's body, in Base64, by the names of their algorithms."""
    headers = handler.headers
    if expected := headers.get(_MD5):
        yield _MD5, expected.strip()
    for name in _CHECKSUMS:
        header = f"x-amz-checksum-{name.lower()}"
        if expected := headers.get(header):
            yield name, expected.strip()
        elif headers.get("x-amz-trailer", "").strip().lower() == header:
            end = handler.raw_body[-_LONGEST_TRAILER:]
            _, _, sent = end.rpartition(f"\n{header}:".encode())
            yield name, sent.partition(b"\n")[0].decode("latin-1").strip()
