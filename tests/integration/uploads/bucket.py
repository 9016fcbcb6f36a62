"""A bucket of uploads, and the messages about its objects."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from facedex.store import collections, faces
from facedex.store.database import Database
from facedex.store.store_errors import DatabaseUnavailable
from facedex_functions.index_upload.handler import lambda_handler
from facedex_local.http.gateway import Context
from facedex_local.workers.event_source import batch_event


@dataclass
class Bucket:
    """The function's bucket, its two queues and the collection "staff"."""

    name: str
    s3: Any
    sqs: Any
    queue: str
    letters: str
    database: Database

    def reach_database(self) -> None:
        """Wait until the function has a connection, which it keeps for a while."""
        end = time.monotonic() + 60
        while True:
            try:
                self.database.ping()
            except DatabaseUnavailable:
                assert time.monotonic() < end
            else:
                return

    def put(self, key: str, body: bytes, **metadata: str) -> str | None:
        named = {name.replace("_", "-"): value for name, value in metadata.items()}
        answer = self.s3.put_object(Bucket=self.name, Key=key, Body=body, Metadata=named)
        version: str | None = answer.get("VersionId")
        return version

    def notify(self, key: str, *, event: str = "ObjectCreated:Put", version: str = "") -> list[str]:
        """Call the function with a notification; return the ids of the messages that failed."""
        thing = {"key": key, **({"versionId": version} if version else {})}
        place = {"bucket": {"name": self.name}, "object": thing}
        return self.send(json.dumps({"Records": [{"eventName": event, "s3": place}]}))

    def send(self, body: str, **more: Any) -> list[str]:
        """Call the function with a message; return the ids of the messages that failed."""
        event = {"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body, **more}]}
        answer = lambda_handler(event, Context("index_upload", 60, 1769, "request"))
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    def next_message(self) -> dict[str, Any]:
        """Remove and return the message that the function has put into the queue again."""
        (message,) = self.sqs.receive_message(
            QueueUrl=self.queue, AttributeNames=["All"], MessageAttributeNames=["All"]
        )["Messages"]
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        (record,) = batch_event([message], self.queue)["Records"]
        return dict(record)

    def delete(self, key: str) -> list[str]:
        self.s3.delete_object(Bucket=self.name, Key=key)
        return self.notify(key, event="ObjectRemoved:Delete")

    def faces(self) -> list[tuple[str | None, str]]:
        with self.database.transaction() as connection:
            staff = collections.find(connection, "staff")
            found = faces.page(connection, staff, after=None, limit=100)
        return sorted((face.external_image_id, str(face.face_id)) for face in found)

    def names(self) -> list[str | None]:
        return [name for name, _ in self.faces()]

    def tags(self, key: str) -> dict[str, str]:
        found = self.s3.get_object_tagging(Bucket=self.name, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def reasons(self) -> list[tuple[str, str]]:
        """Remove the dead letters; return the code and the reason of each."""
        received = self.sqs.receive_message(
            QueueUrl=self.letters, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        found = []
        for message in received.get("Messages", ()):
            attributes = message["MessageAttributes"]
            found.append(
                (attributes["ErrorCode"]["StringValue"], attributes["Reason"]["StringValue"])
            )
            self.sqs.delete_message(QueueUrl=self.letters, ReceiptHandle=message["ReceiptHandle"])
        return found
