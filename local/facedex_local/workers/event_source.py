"""A replacement for Lambda's event source mapping between an SQS queue and a function.

Threads poll the queue and call the function with a batch of messages, as Lambda does. They delete
the messages that the function did not report as failed (``ReportBatchItemFailures``). The queue
delivers the others again, until its redrive policy moves them to the dead-letter queue. The events
have the fields of https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from facedex.settings import DEFAULT_REGION
from facedex_local import shutdown
from facedex_local.http.gateway import Context, Event

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from facedex.runtime.handlers import LambdaHandler

_logger = logging.getLogger("facedex")

_POLL: Final = 1  # seconds for which a request waits for messages, and so may delay a stop
_LONGEST_DELAY: Final = 60  # maximum seconds until a failed message is delivered again
_UNREACHABLE: Final = 1.0  # seconds between attempts to reach a queue that does not answer


class EventSource:
    """Call a function with the messages of a queue, several batches concurrently.

    Args:
        queue_url: URL of the queue.
        handler: the function's Lambda handler.
        function: its folder in ``functions/``.
        batch_size: maximum number of messages in an event, at most 10.
        workers: number of concurrent batches.
        timeout: the function's timeout in seconds.
        memory: the function's memory in MiB.
        client: an SQS client, which all threads share.
    """

    def __init__(
        self,
        queue_url: str,
        handler: LambdaHandler,
        *,
        function: str,
        batch_size: int,
        workers: int,
        timeout: int,
        memory: int,
        client: SQSClient,
    ) -> None:
        self._queue_url = queue_url
        self._handler = handler
        self._function = function
        self._batch_size = batch_size
        self._timeout = timeout
        self._memory = memory
        self._client = client
        self._stopping = threading.Event()
        # One thread polls at a time, so that an idle queue gets one request per second.
        self._polling = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"{function}-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        """Start polling; ``stop`` ends it."""
        for thread in self._threads:
            thread.start()

    def drain(self, seconds: float) -> int:
        """Continue until the queue is empty or the time is over, then stop.

        Args:
            seconds: maximum time until the stop.

        Returns:
            Number of remaining messages, or 0 if the queue does not answer.
        """
        end = time.monotonic() + seconds
        while self._remaining() and time.monotonic() < end:
            time.sleep(0.1)
        self.stop()
        return self._remaining()

    def stop(self, seconds: float = shutdown.PATIENCE) -> None:
        """Start no further batch, and wait for the current ones.

        The messages of a batch that does not finish in time stay in the queue.

        Args:
            seconds: maximum time to wait.
        """
        self._stopping.set()
        shutdown.join(*self._threads, seconds=seconds)

    def _work(self) -> None:
        messages: Sequence[MessageTypeDef]
        while not self._stopping.is_set():
            try:
                with self._polling:
                    messages = () if self._stopping.is_set() else self._receive()
            except (BotoCoreError, ClientError) as error:
                if not self._stopping.wait(_UNREACHABLE):
                    _logger.warning("The queue of %s does not answer: %s", self._function, error)
                continue
            if messages:
                self._complete_batch(messages, self._call(messages))

    def _receive(self) -> Sequence[MessageTypeDef]:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=self._batch_size,
            WaitTimeSeconds=_POLL,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return answer.get("Messages", [])

    def _call(self, messages: Sequence[MessageTypeDef]) -> set[str]:
        """Call the function and return the ids of the messages that failed."""
        all_ids = {message["MessageId"] for message in messages}
        context = Context(
            function_name=f"facedex-{self._function}",
            timeout=self._timeout,
            memory_limit_in_mb=self._memory,
            aws_request_id=str(uuid.uuid4()),
        )
        try:
            answer = self._handler(batch_event(messages, self._queue_url), context)
            return failed_messages(answer) & all_ids
        except Exception:
            _logger.exception("The function %s failed.", self._function)
            return all_ids

    def _complete_batch(self, messages: Sequence[MessageTypeDef], failed: set[str]) -> None:
        """Delete the successful messages; delay the others, longer after each failure."""
        done = [each for each in messages if each["MessageId"] not in failed]
        retried = [each for each in messages if each["MessageId"] in failed]
        try:
            if done:
                self._client.delete_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
                        for number, each in enumerate(done)
                    ],
                )
            if retried:
                self._client.change_message_visibility_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {
                            "Id": str(number),
                            "ReceiptHandle": each["ReceiptHandle"],
                            "VisibilityTimeout": _delay(each),
                        }
                        for number, each in enumerate(retried)
                    ],
                )
        except (BotoCoreError, ClientError) as error:
            # They are delivered again after their visibility timeout, which is harmless.
            _logger.warning("Messages of %s are delivered twice: %s", self._function, error)

    def _remaining(self) -> int:
        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=self._queue_url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
        except (BotoCoreError, ClientError):
            return 0
        return sum(int(number) for number in answer.get("Attributes", {}).values())


def batch_event(messages: Sequence[MessageTypeDef], queue_url: str) -> Event:
    """Return the event for a batch of messages, in Lambda's format.

    Args:
        messages: messages received from the queue.
        queue_url: URL of the queue.
    """
    *_, account, name = queue_url.split("/")
    region = DEFAULT_REGION
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": dict(message.get("Attributes", {})),
                "messageAttributes": {
                    key: _attribute(value)
                    for key, value in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": message.get("MD5OfBody", ""),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{region}:{account}:{name}",
                "awsRegion": region,
            }
            for message in messages
        ]
    }


def failed_messages(answer: Any) -> set[str]:
    """Return the ids of the messages that a function reports as failed.

    Args:
        answer: the function's result; None or an empty one reports no failures.

    Raises:
        TypeError, KeyError, AttributeError: if the result does not have the format that Lambda
            requires, which counts as a failure of all messages.
    """
    if not answer:
        return set()
    return {item["itemIdentifier"] for item in answer.get("batchItemFailures") or ()}


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message attribute in Lambda's format, whose members start in lower case."""
    return {
        "stringListValues": [],
        "binaryListValues": [],
        **{member[0].lower() + member[1:]: each for member, each in value.items()},
    }


def _delay(message: MessageTypeDef) -> int:
    received = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return min(_LONGEST_DELAY, int(2 ** min(received, 10)))
