"""moto's data streams keep a limited amount, and can be read during writes."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from moto.kinesis.models import KinesisBackend, Stream

from facedex_local.aws.moto_app import Moto
from facedex_local.aws.moto_records import bound_records

_ACCOUNT = "123456789012"


@pytest.fixture
def stream() -> Stream:
    Moto().load()
    backend = KinesisBackend("us-east-1", _ACCOUNT)
    name = f"records-{uuid4().hex}"
    backend.create_stream(name, 1)
    return backend.describe_stream(f"arn:aws:kinesis:us-east-1:{_ACCOUNT}:stream/{name}", name)


@pytest.fixture
def impatient() -> Iterator[None]:
    """Make threads switch as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def put(stream: Stream, text: str) -> str:
    data = base64.b64encode(text.encode()).decode()
    return stream.put_record("key", "", data)[0]


def test_the_oldest_records_are_dropped_and_numbers_increase(stream: Stream) -> None:
    bound_records(most_bytes=1000)
    try:
        numbers = [int(put(stream, "x" * 75)) for _ in range(100)]
        (shard,) = stream.shards.values()
        assert numbers == list(range(numbers[0], numbers[0] + 100))
        assert len(shard.records) == 10
        found, last, _ = shard.get_records("0", None)
        assert [each.sequence_number for each in found] == numbers[-10:]
        assert last == numbers[-1]
        put(stream, "y" * 5000)
        assert len(shard.records) == 1
    finally:
        bound_records()


def test_a_reader_resumes_in_the_next_process(stream: Stream) -> None:
    last = [put(stream, "text") for _ in range(100)][-1]
    (shard,) = stream.shards.values()
    shard.records.clear()  # as in a new process
    put(stream, "more")
    assert len(shard.get_records(last, None)[0]) == 1


@pytest.mark.usefixtures("impatient")
def test_a_shard_is_read_while_it_is_written(stream: Stream) -> None:
    (shard,) = stream.shards.values()

    def write(_: int) -> list[str]:
        return [put(stream, "text") for _ in range(300)]

    def read(_: int) -> int:
        return sum(len(shard.get_records("0", None)[0]) for _ in range(100))

    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(read, number) for number in range(2)]
        numbers = [number for written in pool.map(write, range(2)) for number in written]
        assert all(each.result() >= 0 for each in reading)
    assert len(set(numbers)) == 600
