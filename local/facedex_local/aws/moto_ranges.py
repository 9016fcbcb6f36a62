"""A change to moto's S3 that reads the requested range of an object, and not all of it.

A film is read in many ranges. Unchanged, moto reads the complete film for each of them, and fails
at a text that is not a range.
"""

from __future__ import annotations

import re
import threading
from functools import wraps
from typing import Any, Final

# A text of another form is ignored (RFC 9110, section 14.2).
_RANGE: Final = re.compile(r"bytes=(?:[0-9]+-[0-9]*|-[0-9]+)(?:,.*)?")
_DONE: Final = "_facedex_reads_ranges"


class _Unread:
    """The bytes of an object, of which a slice is read when it is needed."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __len__(self) -> int:
        size: int = self._thing.contentsize
        return size

    def __getitem__(self, part: slice) -> bytes:
        begin, end, _ = part.indices(len(self))
        with self._thing.lock:
            self._thing._value_buffer.seek(begin)
            piece: bytes = self._thing._value_buffer.read(end - begin)
        return piece


class _Request(threading.local):
    """The request of a thread.

    Attributes:
        is_ranged: whether it asks for a range of an object.
    """

    is_ranged = False


_request: Final = _Request()


def read_ranges() -> None:
    """Change moto to read only the requested range of an object."""
    from moto.s3 import models, responses

    objects: Any = models.FakeKey
    handlers: Any = responses.S3Response
    if hasattr(objects, _DONE):
        return  # already changed
    value, get_object = objects.value, handlers.get_object
    handle_range = handlers._handle_range_header

    def get_value(thing: Any) -> Any:
        return _Unread(thing) if _request.is_ranged else value.fget(thing)

    @wraps(get_object)
    def get_unread(handler: Any) -> Any:
        _request.is_ranged = _is_range(handler.headers.get("range"))
        try:
            status, headers, content = get_object(handler)
        finally:
            _request.is_ranged = False
        return status, headers, content if status == 200 else _read(content)

    @wraps(handle_range)
    def read_range(handler: Any, request: Any, headers: Any, content: Any) -> Any:
        if not _is_range(request.headers.get("range")):
            return 200, headers, content
        status, headers, content = handle_range(handler, request, headers, content)
        return status, headers, _read(content)

    objects.value = property(get_value, value.fset)
    handlers.get_object = get_unread
    handlers._handle_range_header = read_range
    setattr(objects, _DONE, True)


def _is_range(text: str | None) -> bool:
    return _RANGE.fullmatch(text or "") is not None


def _read(content: Any) -> Any:
    return content[:] if isinstance(content, _Unread) else content
