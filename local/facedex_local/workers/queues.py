"""The queues of one machine that work goes through."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import boto3

from facedex.settings import DEFAULT_ACCOUNT


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """A queue that this machine has unless the user has named another.

    Attributes:
        setting: the environment variable with its URL.
        name: what it is called here.
        visibility: seconds that a message is hidden while it is worked on.
    """

    setting: str
    name: str
    visibility: int

    def settle(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Name this machine's queue, unless another is named.

        Queues of moto have addresses that are known before they are made.
        """
        if self.setting not in environment:
            place = environment.get("AWS_ENDPOINT_URL_SQS") or environment.get("AWS_ENDPOINT_URL")
            if place:
                environment[self.setting] = f"{place}/{DEFAULT_ACCOUNT}/{self.name}"

    def make(self) -> None:
        """Make this machine's queue; one that the user has named is there."""
        if os.environ.get(self.setting, "").endswith(f"/{self.name}"):
            client: Any = boto3.client("sqs")
            client.create_queue(
                QueueName=self.name, Attributes={"VisibilityTimeout": str(self.visibility)}
            )


# A minute more than the function may take.
VIDEO: Final = WorkQueue("FACEDEX_VIDEO_QUEUE", "facedex-video", 360)
STREAMS: Final = WorkQueue("FACEDEX_STREAM_QUEUE", "facedex-streams", 960)
