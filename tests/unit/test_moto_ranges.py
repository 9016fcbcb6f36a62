"""S3 reads the requested range of an object, and not all of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from tests.unit.moto_s3 import s3_client

BUCKET = f"ranges-{uuid4().hex}"
CONTENT = b"0123456789"


class Counted(io.BytesIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.count += len(piece)
        return piece


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with s3_client() as client:
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="film.mp4", Body=CONTENT)
        yield client


@pytest.mark.parametrize(
    ("ranged", "body"),
    [
        ("0-1", CONTENT),
        ("items=0-1", CONTENT),
        ("bytes=1-2-3", CONTENT),
        ("bytes=2-1", CONTENT),
        ("bytes=0-1", b"01"),
        ("bytes=8-", b"89"),
        ("bytes=-1", b"9"),
        ("bytes=5-99", b"56789"),
    ],
)
def test_a_range_is_read_and_another_text_in_its_place_is_ignored(
    s3: Any, ranged: str, body: bytes
) -> None:
    assert s3.get_object(Bucket=BUCKET, Key="film.mp4", Range=ranged)["Body"].read() == body


@pytest.mark.parametrize("ranged", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_after_the_end_is_refused(s3: Any, ranged: str) -> None:
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(Bucket=BUCKET, Key="film.mp4", Range=ranged)


def test_only_the_range_is_read(s3: Any) -> None:
    stored: Any = s3_backends["123456789012"]["aws"].buckets[BUCKET].keys["film.mp4"]
    stored._value_buffer.close()
    stored._value_buffer = counted = Counted(CONTENT)
    answer = s3.get_object(Bucket=BUCKET, Key="film.mp4", Range="bytes=4-6")
    assert answer["ContentRange"] == "bytes 4-6/10"
    assert answer["Body"].read() == b"456"
    assert counted.count == 3


def test_the_length_of_a_range_is_reported_without_it(s3: Any) -> None:
    answer = s3.head_object(Bucket=BUCKET, Key="film.mp4", Range="bytes=4-6")
    assert answer["ContentLength"] == 3
