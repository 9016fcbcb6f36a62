"""moto's objects can be read while they are replaced."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from moto.s3.models import S3Backend

from facedex_local.aws.moto_app import Moto

# moto's buckets belong to the process, including those of other tests.
BUCKET = f"photos-{uuid4().hex}"


@pytest.fixture
def backend() -> Iterator[S3Backend]:
    Moto().load()
    Moto().load()  # as every server in a process does
    made = S3Backend("us-east-1", "123456789012")
    made.create_bucket(BUCKET, "us-east-1")
    yield made
    made.reset()


def test_a_replaced_object_stays_complete_for_its_readers(backend: S3Backend) -> None:
    first = backend.put_object(BUCKET, "ann.jpg", b"ann")
    backend.put_object(BUCKET, "ann.jpg", b"another")
    assert first.value == b"ann"
    assert first.etag == f'"{hashlib.md5(b"ann").hexdigest()}"'


def test_concurrent_readers_of_an_object_read_the_same(backend: S3Backend) -> None:
    body = bytes(range(256)) * 400
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(40):
                thing = backend.put_object(BUCKET, "ann.jpg", body)
                values = pool.map(lambda _, key=thing: key.value, range(4))
                etags = pool.map(lambda _, key=thing: key.etag, range(4))
                assert set(values) == {body}
                assert set(etags) == {etag}
    finally:
        sys.setswitchinterval(before)
