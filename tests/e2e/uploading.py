"""What tests of uploads have in common."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from PIL import Image

from tests.conftest import Server

_LONGEST = 60.0  # seconds until a photo is taken to be lost


def wait_until(condition: Callable[[], Any], seconds: float = _LONGEST) -> Any:
    """What the condition returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return met


def named_faces(server: Server, collection: str) -> Counter[str]:
    """How many faces the collection has under each ExternalImageId."""
    pages = server.client("rekognition").get_paginator("list_faces")
    return Counter(
        face["ExternalImageId"]
        for page in pages.paginate(CollectionId=collection)
        for face in page["Faces"]
    )


def take_letters(server: Server, **options: Any) -> dict[str, str]:
    """Keys of the dead letters, each with its error code; they are taken out."""
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
    """Photos of the same face that differ in their bytes."""
    small = Image.open(io.BytesIO(photo)).convert("RGB").resize((240, 240))
    found = []
    for number in range(count):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", comment=str(number).encode())
        found.append(buffer.getvalue())
    return found
