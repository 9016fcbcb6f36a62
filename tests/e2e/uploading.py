"""Functions that tests of uploads share."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus

from PIL import Image

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi
from tests.conftest import Server

_LONGEST = 60.0  # seconds after which a photo counts as lost


def wait_until(condition: Callable[[], Any], seconds: float = _LONGEST) -> Any:
    """Wait until a condition is true, and return its value."""
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return met


def named_faces(server: Server, collection: str) -> Counter[str]:
    """Return the number of the collection's faces for each ExternalImageId."""
    pages = server.client("rekognition").get_paginator("list_faces")
    return Counter(
        face["ExternalImageId"]
        for page in pages.paginate(CollectionId=collection)
        for face in page["Faces"]
    )


def take_letters(server: Server, **options: Any) -> dict[str, str]:
    """Remove the dead letters, and return their keys with their error codes."""
    sqs = server.client("sqs", **options)
    url = sqs.get_queue_url(QueueName="facedex-uploads-dead-letters")["QueueUrl"]
    found = {}
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            key = json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"]
            found[unquote_plus(key)] = message["MessageAttributes"]["ErrorCode"]["StringValue"]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def variants(photo: bytes, count: int) -> list[bytes]:
    """Return photos of the same face that differ in their bytes."""
    small = Image.open(io.BytesIO(photo)).convert("RGB").resize((240, 240))
    found = []
    for number in range(count):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", comment=str(number).encode())
        found.append(buffer.getvalue())
    return found


@contextmanager
def storage_elsewhere() -> Iterator[str]:
    """Run an S3, SQS and SNS in this process, which outlive a server; yield their address."""
    elsewhere = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=32)
    elsewhere.start()
    try:
        yield elsewhere.url
    finally:
        elsewhere.stop()


def waiting(sqs: Any, queue: str) -> int:
    """Return the number of messages in a queue that are visible, in flight or delayed."""
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    return sum(
        int(answer[f"ApproximateNumberOfMessages{more}"]) for more in ("", "NotVisible", "Delayed")
    )
