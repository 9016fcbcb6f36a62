"""Queues that invoke functions, and their dead-letter queues."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

from infra.constructs.encryption import encrypt
from infra.settings import StackSettings

_KEPT: Final = Duration.days(14)  # the longest that SQS keeps a message
_ATTEMPTS: Final = 5
# AWS's advice for a queue that Lambda works off: time for its own repetitions.
_VISIBILITY: Final = 6


def queue_with_dead_letters(
    scope: Construct, settings: StackSettings, *, timeout: int, visibility: int | None = None
) -> tuple[Queue, Queue]:
    """A queue and its dead-letter queue, both encrypted and over TLS only.

    Args:
        timeout: seconds that the function may take.
        visibility: seconds after which an unfinished message is delivered again, at least
            ``timeout``; by default what AWS advises.
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
    for each in (dead_letters, queue):
        encrypt(each, settings)
    return queue, dead_letters


def work_off(queue: Queue, function: Function, *, concurrency: int) -> None:
    """Invoke a function for each message of a queue, one message at a time.

    So a message that crashes the function, or exceeds its timeout, takes no other message into the
    dead-letter queue.

    Args:
        concurrency: most copies of the function at once, so that many messages starve neither the
            account's other functions nor the database.
    """
    function.add_event_source(
        SqsEventSource(
            queue, batch_size=1, max_concurrency=concurrency, report_batch_item_failures=True
        )
    )
