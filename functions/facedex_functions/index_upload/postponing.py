"""A message that has to wait for something else comes again, without ever becoming poison.

A queue counts how often it has delivered a message, whatever went wrong: a database that sleeps or
is being repaired would make dead letters of good photos. So a message that failed through no fault
of its own is put into the queue anew, later each time; what the queue still counts are crashes.
"""

from __future__ import annotations

import time
from typing import Final

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex.aws import clients

_FIRST_DELAY: Final = 4  # seconds, doubled each time
_LONGEST_DELAY: Final = 900  # seconds; SQS knows no longer one
_LONGEST: Final = 3 * 24 * 3600  # seconds from the first failure until a message is given up
_ATTEMPTS: Final = "Attempts"
_SINCE: Final = "WaitingSince"


def postpone(record: SQSRecord, queue: str) -> bool:
    """Put a message into the queue of that URL again, to be delivered later.

    Returns:
        False for one that has waited long enough, which is left as it is.

    Raises:
        ClientError, BotoCoreError: the queue does not take it.
    """
    now = int(time.time())
    attempts = _number(record, _ATTEMPTS, 0)
    since = _number(record, _SINCE, now)
    if now - since > _LONGEST:
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


def _number(record: SQSRecord, name: str, default: int) -> int:
    told = (record.get("messageAttributes") or {}).get(name) or {}
    text = told.get("stringValue") or ""
    return int(text) if text.isdecimal() else default
