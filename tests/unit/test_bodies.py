"""Request bodies are limited in size, whatever their headers declare."""

from __future__ import annotations

import io
import json

from tests.unit.asking import ask, environ

TARGET = "RekognitionService.NoSuchOperation"
LIMIT = 15 * 1024 * 1024


class Endless(io.BytesIO):
    """A body without an end.

    Attributes:
        read_bytes: how much of it has been read.
    """

    read_bytes = 0

    def read(self, size: int | None = None) -> bytes:
        self.read_bytes += size or 0
        return bytes(size or 0)


def test_body_that_is_declared_too_long_is_refused_before_any_of_it_is_read() -> None:
    request = environ("POST", "/", b"{}", x_amz_target=TARGET) | {"CONTENT_LENGTH": str(1 << 30)}
    status, _, body = ask(request)
    assert status.startswith("413 ")
    assert json.loads(body)["__type"] == "RequestEntityTooLargeException"
    assert request["wsgi.input"].read() == b"{}"


def test_body_of_undeclared_length_is_refused_as_soon_as_it_is_too_long() -> None:
    source = Endless()
    request = environ("POST", "/", x_amz_target=TARGET) | {"wsgi.input": source}
    status, _, _ = ask({**request, "CONTENT_LENGTH": ""})
    assert status.startswith("413 ")
    assert LIMIT < source.read_bytes < LIMIT + 1_000_000
