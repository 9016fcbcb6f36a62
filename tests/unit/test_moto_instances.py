"""moto frees what its clients have deleted or replaced."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from moto.kinesis.models import KinesisBackend
from moto.s3.models import S3Backend
from moto.sqs.models import SQSBackend
from moto.utilities.utils import CaseInsensitiveDict

from facedex_local.aws.moto_app import Moto

_ACCOUNT = "123456789012"
_PLACE = ("us-east-1", _ACCOUNT)


@pytest.fixture
def name() -> str:
    # moto's buckets and queues belong to the process, including those of other tests.
    return f"freed-{uuid4().hex}"


@pytest.fixture
def objects(name: str) -> Iterator[S3Backend]:
    Moto().load()
    made = S3Backend(*_PLACE)
    made.create_bucket(name, "us-east-1")
    yield made
    made.reset()


def is_freed(reference: weakref.ref[Any]) -> bool:
    gc.collect()
    return reference() is None


def test_a_deleted_object_is_freed(objects: S3Backend, name: str) -> None:
    reference = weakref.ref(objects.put_object(name, "ann.jpg", b"ann"))
    assert not is_freed(reference)
    objects.delete_object(name, "ann.jpg")
    assert is_freed(reference)


def test_a_replaced_object_is_freed(objects: S3Backend, name: str) -> None:
    reference = weakref.ref(objects.put_object(name, "ann.jpg", b"ann"))
    objects.put_object(name, "ann.jpg", b"another")
    assert is_freed(reference)


def test_the_parts_of_a_cancelled_upload_are_freed(objects: S3Backend, name: str) -> None:
    headers = CaseInsensitiveDict()
    made = objects.create_multipart_upload(name, "film.mp4", headers, "STANDARD", {}, None, "", "")
    upload = made.id
    del made
    reference = weakref.ref(objects.upload_part(name, upload, 1, b"frames"))
    objects.abort_multipart_upload(name, upload)
    assert is_freed(reference)


def test_an_object_is_not_stored_a_second_time_as_its_parts(objects: S3Backend, name: str) -> None:
    headers = CaseInsensitiveDict()
    upload = objects.create_multipart_upload(
        name, "film.mp4", headers, "STANDARD", {}, None, "", ""
    ).id
    part = objects.upload_part(name, upload, 1, b"frames")
    film = objects.complete_multipart_upload(name, upload, iter([(1, part.etag)]))
    assert film is not None
    copy = objects.put_object(name, "copy.mp4", film.value, multipart=film.multipart)
    assert film.value == copy.value == b"frames"
    assert part._value_buffer.closed
    found = objects.head_object(name, "film.mp4", part_number=1)  # type: ignore[arg-type]
    assert found is not None
    assert (found.size, found.etag) == (6, part.etag)


def test_a_deleted_message_is_freed(name: str) -> None:
    Moto().load()
    backend = SQSBackend(*_PLACE)
    backend.create_queue(name)
    reference = weakref.ref(backend.send_message(name, "text"))
    (received,) = backend.receive_message(name, 1, 0, 60)
    assert received.receipt_handle
    backend.delete_message(name, received.receipt_handle)
    assert is_freed(reference)


def test_a_record_that_a_shard_has_dropped_is_freed(name: str) -> None:
    Moto().load()
    backend = KinesisBackend(*_PLACE)
    backend.create_stream(name, 1)
    arn = f"arn:aws:kinesis:us-east-1:{_ACCOUNT}:stream/{name}"
    stream = backend.describe_stream(arn, name)
    stream.put_record("key", "", "dGV4dA==")
    (shard,) = stream.shards.values()
    reference = weakref.ref(next(iter(shard.records.values())))
    shard.records.clear()
    assert is_freed(reference)
