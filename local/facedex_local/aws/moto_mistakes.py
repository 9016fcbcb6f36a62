"""A change to moto's S3 that answers clients' mistakes with S3's errors.

Unchanged, moto fails at an upload or a page that does not exist, with an error that SDKs repeat;
and it stores the parts of an upload in a wrong order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any, Final

_UPLOADS: Final = ("upload_part", "upload_part_copy", "complete_multipart_upload")


def report_mistakes() -> None:
    """Change moto to refuse unknown uploads and pages, and parts in a wrong order."""
    from moto.s3 import exceptions, models, responses

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

    for name in _UPLOADS:
        setattr(backend, name, require_upload(getattr(backend, name)))
    backend.list_objects_v2 = require_token
    handlers._complete_multipart_body = require_order
