"""The record writer: records in batches and in order, and checkpoints after their records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from facedex.store.database import Database
from facedex.store.stream_runs import Checkpoint, RunLease
from facedex.workflows import heartbeat as heartbeats
from facedex.workflows.heartbeat import StreamHeartbeat
from facedex_functions.run_stream_processor.record_writer import RecordWriter, WritingFailed
from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi
from tests.e2e.streaming import until
from tests.integration.streaming import LEASE, Faults, begin_run


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    faults = Faults(Wsgi(Moto()))
    listener = Listener(faults, host="127.0.0.1", port=0, threads=4)
    listener.start()
    faults.url = listener.url
    yield faults
    listener.stop()


@pytest.fixture
def client(faults: Faults) -> Iterator[Any]:
    yield boto3.client(
        "kinesis",
        endpoint_url=faults.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        # As for the worker's client: the writer itself retries.
        config=Config(retries={"total_max_attempts": 1}),
    )
    faults.throttle = faults.refuse = 0


@pytest.fixture
def stream(client: Any) -> str:
    name = f"seen-{uuid4().hex}"
    client.create_stream(StreamName=name, ShardCount=1)
    described = client.describe_stream_summary(StreamName=name)
    return str(described["StreamDescriptionSummary"]["StreamARN"])


@pytest.fixture
def lease(database: Database, monkeypatch: pytest.MonkeyPatch) -> RunLease:
    monkeypatch.setattr(heartbeats, "STREAM_LEASE_SECONDS", LEASE)
    return begin_run(database, LEASE)


@contextmanager
def writing(
    database: Database, lease: RunLease, client: Any, stream: str
) -> Iterator[tuple[StreamHeartbeat, RecordWriter]]:
    with (
        StreamHeartbeat(database, lease) as heartbeat,
        RecordWriter(client, stream, "door", heartbeat) as writer,
    ):
        yield heartbeat, writer


def written(client: Any, stream: str) -> list[Any]:
    name = stream.partition("/")[2]
    (shard,) = client.list_shards(StreamName=name)["Shards"]
    iterator = client.get_shard_iterator(
        StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found: list[Any] = []
    while True:
        answer = client.get_records(ShardIterator=iterator)
        if not answer["Records"]:
            return found
        assert {each["PartitionKey"] for each in answer["Records"]} == {"door"}
        found += [json.loads(each["Data"])["number"] for each in answer["Records"]]
        iterator = answer["NextShardIterator"]


def record(number: int, size: int = 0) -> bytes:
    return json.dumps({"number": number, "padding": "x" * size}).encode()


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint(str(number), str(number), None, None)


def enqueue(writer: RecordWriter, item: bytes | Checkpoint) -> None:
    assert writer.enqueue(item, 20)


def test_records_are_written_in_order_and_in_full_requests(
    database: Database, lease: RunLease, client: Any, stream: str, faults: Faults
) -> None:
    first = faults.puts
    faults.throttle = 1_000_000  # until the other records are queued
    with writing(database, lease, client, stream) as (heartbeat, writer):
        enqueue(writer, record(0))
        until(lambda: faults.puts > first)
        for number in range(1, 901):
            enqueue(writer, record(number))
        enqueue(writer, checkpoint(900))
        before = faults.recover()
        writer.flush(20, stopping=False)
        assert heartbeat.checkpoint == checkpoint(900)
    assert written(client, stream) == list(range(901))
    assert faults.puts - before == 3  # the first record, 500, 400


def test_large_records_are_spread_over_several_requests(
    database: Database, lease: RunLease, client: Any, stream: str, faults: Faults
) -> None:
    first = faults.puts
    faults.throttle = 1_000_000
    with writing(database, lease, client, stream) as (_, writer):
        enqueue(writer, record(0))
        until(lambda: faults.puts > first)
        for number in range(1, 13):
            enqueue(writer, record(number, 900_000))
        before = faults.recover()
        writer.flush(20, stopping=False)
    assert written(client, stream) == list(range(13))
    # The first record, and three requests of at most 5 MB.
    assert faults.puts - before == 4


def test_checkpoint_is_stored_only_after_its_records_are_written(
    database: Database, lease: RunLease, client: Any, stream: str, faults: Faults
) -> None:
    with writing(database, lease, client, stream) as (heartbeat, writer):
        enqueue(writer, record(1))
        enqueue(writer, checkpoint(1))
        until(lambda: heartbeat.checkpoint == checkpoint(1))
        faults.throttle = 1_000_000
        enqueue(writer, record(2))
        enqueue(writer, checkpoint(2))
        with pytest.raises(WritingFailed, match="in time") as failed:
            writer.flush(1, stopping=False)
        assert failed.value.transient
        writer.flush(0.1, stopping=True)
        assert heartbeat.checkpoint == checkpoint(1)
        faults.throttle = 0
        writer.flush(20, stopping=False)
        assert heartbeat.checkpoint == checkpoint(2)
    assert written(client, stream) == [1, 2]


def test_queue_of_waiting_records_is_bounded(
    database: Database, lease: RunLease, client: Any, stream: str, faults: Faults
) -> None:
    faults.throttle = 1_000_000
    with writing(database, lease, client, stream) as (_, writer):
        taken = 0
        while writer.enqueue(record(taken), 0.2):
            taken += 1
        assert 1000 <= taken <= 1500


def test_worker_without_the_lease_writes_no_records(
    database: Database, lease: RunLease, client: Any, stream: str, faults: Faults
) -> None:
    faults.throttle = 1_000_000
    with writing(database, lease, client, stream) as (heartbeat, writer):
        enqueue(writer, record(1))
        until(lambda: faults.throttle < 1_000_000)
        with database.transaction() as connection:
            connection.execute("UPDATE stream_processors SET lease = NULL")
        until(lambda: not heartbeat.holds_lease)
        faults.throttle = 0
    assert written(client, stream) == []
