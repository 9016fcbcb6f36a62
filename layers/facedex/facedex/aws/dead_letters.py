"""The dead-letter queue: messages that can never be processed, each with the reason."""

from __future__ import annotations

from typing import Final

from facedex.api.errors import ServiceError
from facedex.aws import clients

_LONGEST: Final = 1000  # characters of a reason


def send_dead_letter(queue: str, body: str, error: ServiceError) -> None:
    """Send a message to the dead-letter queue, with the attributes ``ErrorCode`` and ``Reason``.

    Args:
        queue: URL of the dead-letter queue.
        body: of the message.
        error: why it cannot be processed.

    Raises:
        ClientError, BotoCoreError: if the queue does not accept it.
    """
    clients.queues().send_message(
        QueueUrl=queue,
        MessageBody=body,
        MessageAttributes={
            "ErrorCode": {"DataType": "String", "StringValue": error.code},
            "Reason": {"DataType": "String", "StringValue": plain_text(error.message)[:_LONGEST]},
        },
    )


def plain_text(text: str) -> str:
    """Return the text without control characters, and not empty, as queues and terminals need."""
    return "".join(each if each.isprintable() else "?" for each in text) or "-"
