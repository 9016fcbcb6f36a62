"""The local queues for work on video."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import boto3

from facedex.settings import DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """A queue on this machine, used unless the user has configured another.

    Attributes:
        setting: the environment variable with the queue's URL.
        name: name of the queue.
        visibility: visibility timeout in seconds.
    """

    setting: str
    name: str
    visibility: int

    def configure(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Set the environment variable to this machine's queue, unless it is already set.

        The URLs of moto's queues are known before the queues exist.
        """
        if self.setting not in environment:
            endpoint = environment.get("AWS_ENDPOINT_URL_SQS") or environment.get(
                "AWS_ENDPOINT_URL"
            )
            if endpoint:
                environment[self.setting] = f"{endpoint}/{DEFAULT_ACCOUNT}/{self.name}"

    def make(self) -> None:
        """Create this machine's queue; one that the user has configured must exist already."""
        if os.environ.get(self.setting, "").endswith(f"/{self.name}"):
            client: Any = boto3.client("sqs")
            client.create_queue(
                QueueName=self.name, Attributes={"VisibilityTimeout": str(self.visibility)}
            )


# Visibility timeouts are a minute longer than the functions' timeouts.
VIDEO: Final = WorkQueue("FACEDEX_VIDEO_QUEUE", "facedex-video", 360)
STREAMS: Final = WorkQueue("FACEDEX_STREAM_QUEUE", "facedex-streams", 960)
