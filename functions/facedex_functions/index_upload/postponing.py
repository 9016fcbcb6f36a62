"""Postponing: a message that cannot be processed now is put into the queue again.

A queue counts the deliveries of a message, whatever the reason, so during an outage of the database
valid photos would end in the dead-letter queue. A message that failed for a reason other than its
content is therefore sent again as a new message, with increasing delays. Deliveries that end in a
crash are still counted.
"""

from __future__ import annotations

import time
from typing import Final

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex.aws import clients

_FIRST_DELAY: Final = 4  # seconds, doubled each time
_LONGEST_DELAY: Final = 900  # seconds, the maximum of SQS
_LONGEST_WAIT: Final = 3 * 24 * 3600  # seconds from the first failure until the last attempt
_ATTEMPTS: Final = "Attempts"
_SINCE: Final = "WaitingSince"


def postpone(record: SQSRecord, queue: str) -> bool:
    """Send a message again, to be delivered later.

    Args:
        record: the message.
        queue: URL of its queue.

    Returns:
        False, without sending it, if it has already waited for the maximum time.

    Raises:
        ClientError, BotoCoreError: if the queue does not accept the message.
    """
    now = int(time.time())
    attempts = _read_number(record, _ATTEMPTS, 0)
    since = _read_number(record, _SINCE, now)
    if now - since > _LONGEST_WAIT:
        return False
    numbers = {_ATTEMPTS: attempts + 1, _SINCE: since}
    clients.queues().send_message(
        QueueUrl=queue,
        MessageBody=record.body,
        DelaySeconds=min(_LONGEST_DELAY, _FIRST_DELAY << min(attempts, 10)),
        MessageAttributes={
            name: {"DataType": "Number", "StringValue": str(number)}
            for name, number in numbers.items()
        },
    )
    return True


def _read_number(record: SQSRecord, name: str, default: int) -> int:
    attribute = (record.get("messageAttributes") or {}).get(name) or {}
    text = attribute.get("stringValue") or ""
    return int(text) if text.isdecimal() else default
