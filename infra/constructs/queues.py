"""Queues that functions work off, and where their poison goes."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

_KEPT: Final = Duration.days(14)  # the longest that SQS keeps a message
_ATTEMPTS: Final = 5
# AWS's advice for a queue that Lambda works off: time for its own repetitions.
_VISIBILITY: Final = 6


def queue_with_dead_letters(
    scope: Construct, *, timeout: int, visibility: int | None = None
) -> tuple[Queue, Queue]:
    """A queue, and the one for messages that failed too often; encrypted, over TLS alone.

    Args:
        timeout: of the function that works it off, in seconds.
        visibility: seconds after which a message that was neither done nor given back comes again,
            no fewer than ``timeout``; by default what AWS advises.
    """
    dead_letters = Queue(
        scope,
        "DeadLetters",
        encryption=QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=_KEPT,
        removal_policy=RemovalPolicy.DESTROY,
    )
    queue = Queue(
        scope,
        "Queue",
        encryption=QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=_KEPT,
        visibility_timeout=Duration.seconds(visibility or timeout * _VISIBILITY),
        dead_letter_queue=DeadLetterQueue(max_receive_count=_ATTEMPTS, queue=dead_letters),
        removal_policy=RemovalPolicy.DESTROY,
    )
    return queue, dead_letters


def work_off(queue: Queue, function: Function, *, concurrency: int) -> None:
    """Have a function work off a queue, a message at a time.

    So a message that crashes the function, or takes all of its time, takes no other with it into
    the dead letters.

    Args:
        concurrency: copies of the function that work at once, at most: neither the account's other
            functions nor the database are to be starved by a heap of messages.
    """
    function.add_event_source(
        SqsEventSource(
            queue, batch_size=1, max_concurrency=concurrency, report_batch_item_failures=True
        )
    )
