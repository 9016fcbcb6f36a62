"""The queue for messages that can never be worked on, each with the reason."""

from __future__ import annotations

from typing import Final

from facedex.api.errors import ServiceError
from facedex.aws import clients

_LONGEST: Final = 1000  # characters of a reason


def bury(queue: str, body: str, error: ServiceError) -> None:
    """Put a message into the dead-letter queue of that URL.

    Its attributes are ``ErrorCode`` and ``Reason``.

    Raises:
        ClientError, BotoCoreError: the queue does not take it.
    """
    clients.queues().send_message(
        QueueUrl=queue,
        MessageBody=body,
        MessageAttributes={
            "ErrorCode": {"DataType": "String", "StringValue": error.code},
            "Reason": {"DataType": "String", "StringValue": printable(error.message)[:_LONGEST]},
        },
    )


def printable(text: str) -> str:
    """A text that queues and terminals take: without control characters, and not empty."""
    return "".join(each if each.isprintable() else "?" for each in text) or "-"
