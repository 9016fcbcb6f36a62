"""The local queues for work on video."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
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
        needs: the AWS services that the work needs.
    """

    setting: str
    name: str
    visibility: int
    needs: tuple[str, ...]

    def configure(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Set the environment variable to this machine's queue, unless it is already set.

        The URLs of moto's queues are known before the queues exist.
        """
        if self.setting not in environment:
            endpoint = environment.get("AWS_ENDPOINT_URL_SQS") or environment.get(
                "AWS_ENDPOINT_URL"
            )
            if endpoint:
                name = self._name_for(environment)
                environment[self.setting] = f"{endpoint}/{DEFAULT_ACCOUNT}/{name}"

    def make(self) -> None:
        """Create this machine's queue; one that the user has configured must exist already."""
        name = self._name_for(os.environ)
        if os.environ.get(self.setting, "").endswith(f"/{name}"):
            client: Any = boto3.client("sqs")
            client.create_queue(
                QueueName=name, Attributes={"VisibilityTimeout": str(self.visibility)}
            )

    def _name_for(self, environment: Mapping[str, str]) -> str:
        """Return the queue's name, which is the server's own if only its workers can do the work.

        If SQS is in this server's memory, the queue is its own anyway.
        """
        server = environment.get("FACEDEX_SERVER")
        own = set(environment.get("FACEDEX_OWN_SERVICES", "").split(","))
        alone = server and own.intersection(self.needs) and "SQS" not in own
        return f"{self.name}-{server}" if alone else self.name


# Visibility timeouts are a minute longer than the functions' timeouts.
VIDEO: Final = WorkQueue("FACEDEX_VIDEO_QUEUE", "facedex-video", 360, ("S3",))
STREAMS: Final = WorkQueue(
    "FACEDEX_STREAM_QUEUE", "facedex-streams", 960, ("KINESIS", "KINESIS_VIDEO")
)
