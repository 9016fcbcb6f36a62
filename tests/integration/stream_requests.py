"""Requests for stream processors through the front door; the test acts as the worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from facedex import settings
from facedex.aws import clients
from facedex.runtime import model_packs, services
from facedex.store import schema, stream_runs
from facedex.store.stream_runs import RunLease
from facedex_functions.front_door.handler import lambda_handler
from facedex_local.aws.moto_app import Moto
from facedex_local.http.gateway import Context
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi

EVENT = json.loads((Path(__file__).parents[2] / "events" / "front_door.json").read_text())
ARN = "arn:aws:rekognition:us-east-1:123456789012:streamprocessor/door"
INPUT = {
    "KinesisVideoStream": {"Arn": "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/17"}
}
OUTPUT = {"KinesisDataStream": {"Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/seen"}}
ROLE = "arn:aws:iam::123456789012:role/facedex-streams"
DOOR: dict[str, Any] = {
    "Name": "door",
    "Input": INPUT,
    "Output": OUTPUT,
    "RoleArn": ROLE,
    "Settings": {"FaceSearch": {"CollectionId": "staff"}},
}
REGION = [{"BoundingBox": {"Width": 0.5, "Height": 0.5, "Left": 0.1, "Top": 0.1}}]


def answer(operation: str, **members: Any) -> tuple[int, dict[str, Any]]:
    headers = {**EVENT["headers"], "X-Amz-Target": f"RekognitionService.{operation}"}
    event = {
        **EVENT,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": json.dumps(members),
    }
    answered = lambda_handler(event, Context("front_door", 29, 1769, "request"))
    return answered["statusCode"], json.loads(answered["body"])


def good(operation: str, **members: Any) -> dict[str, Any]:
    status, document = answer(operation, **members)
    assert status == 200, document
    return document


def refused(operation: str, **members: Any) -> tuple[str, str]:
    status, document = answer(operation, **members)
    assert status == 400, document
    return document["__type"], document["Message"]


def named(**changes: Any) -> dict[str, Any]:
    return {**DOOR, **changes}


def status() -> str:
    return str(good("DescribeStreamProcessor", Name="door")["Status"])


def key() -> int:
    with services.database().transaction() as connection:
        row = connection.execute("SELECT processor_key FROM stream_processors").fetchone()
        assert row is not None
        return int(row.processor_key)


def claim() -> RunLease:
    """Claim the processor's lease, as a worker does."""
    with services.database().transaction() as connection:
        lease = stream_runs.claim_lease(connection, key(), 60)
    assert lease is not None
    return lease


def expire_lease() -> None:
    with services.database().transaction() as connection:
        connection.execute(
            "UPDATE stream_processors SET leased_until = now() - interval '1 second',"
            " send_after = now()"
        )


def rows() -> list[Any]:
    with services.database().transaction() as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("stream_processors", "stream_processor_tags")
        ]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    listener = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=4)
    listener.start()
    yield listener.url
    listener.stop()


@pytest.fixture(autouse=True)
def messages(
    endpoint: str, database_url: str, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Start a service with a collection "staff"; return a function that receives its messages."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=f"streams-{uuid4().hex}")["QueueUrl"]
    chosen = {
        "DATABASE_URL": database_url,
        "AUTH": "none",
        "MODELS": str(pack_directory.parent),
        "STREAM_QUEUE": queue,
        "STREAM_PROCESSORS": "5",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(f"FACEDEX_{name}", value)
    made = (settings.settings, services._database, model_packs._shelf, clients.queues)
    for each in made:
        each.cache_clear()
    schema.migrate(services.database())
    good("CreateCollection", CollectionId="staff")

    def receive() -> list[Any]:
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in received]

    yield receive
    services.database().close()
    for each in made:
        each.cache_clear()
