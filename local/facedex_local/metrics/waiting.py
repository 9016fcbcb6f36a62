"""The messages that wait in the server's queues."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex_local import environment
from facedex_local.aws.moto_queues import list_messages

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# The label of each queue, and the setting with its address.
_QUEUES: Final = {
    "uploads": "FACEDEX_UPLOADS_QUEUE",
    "uploads_dead_letters": "FACEDEX_UPLOADS_DEAD_LETTERS",
    "video": "FACEDEX_VIDEO_QUEUE",
    "streams": "FACEDEX_STREAM_QUEUE",
}
_ATTRIBUTES: Final = {
    "waiting": "ApproximateNumberOfMessages",
    "delayed": "ApproximateNumberOfMessagesDelayed",
    "in_work": "ApproximateNumberOfMessagesNotVisible",
}


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue.

    Attributes:
        messages: their number by state: waiting, delayed, in_work.
        age: seconds since the oldest one was sent; None if that is not known.
    """

    messages: Mapping[str, int]
    age: float | None


def find() -> dict[str, Queue]:
    """Return the queues that exist and answer, by their label.

    After one that does not answer, the remaining ones elsewhere are not asked.
    """
    found: dict[str, Queue] = {}
    for label, setting in _QUEUES.items():
        url = os.environ.get(setting, "")
        if not url:
            continue
        own = url.startswith(f"{os.environ.get('FACEDEX_PRIVATE_PORT', '').partition(' ')[0]}/")
        try:
            queue = _own_queue(url) if own else _queue_elsewhere(url)
        except (BotoCoreError, ClientError):
            return found
        if queue:
            found[label] = queue
    return found


def _own_queue(url: str) -> Queue | None:
    """Return a queue of moto in this process, without a request to it."""
    messages = list_messages(url.rpartition("/")[2], environment.region())
    if messages is None:
        return None
    count = Counter(each.state for each in messages)
    sent = min((each.sent for each in messages), default=inf)
    return Queue({state: count[state] for state in _ATTRIBUTES}, max(0.0, time.time() - sent))


@cache
def _client() -> SQSClient:
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    return boto3.session.Session().client("sqs", config=config)


def _queue_elsewhere(url: str) -> Queue:
    answer = _client().get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes: Mapping[Any, str] = answer.get("Attributes", {})
    return Queue({state: int(attributes[name]) for state, name in _ATTRIBUTES.items()}, None)
