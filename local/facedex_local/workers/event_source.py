"""What Lambda's event source mapping does between an SQS queue and a function.

Threads poll the queue, call the function with a batch of messages as Lambda would, delete what it
did not report as failed (``ReportBatchItemFailures``), and leave the rest to be delivered again,
until the queue's redrive policy has enough of it. Field by field as in
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.
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

_POLL: Final = 1  # seconds that a request for messages waits; a stop waits as long
_LONGEST_DELAY: Final = 60  # seconds until a failed message is delivered again
_UNREACHABLE: Final = 1.0  # seconds between attempts to reach a queue that does not answer


class EventSource:
    """Calls a function with the messages of a queue, several batches at once.

    Args:
        queue_url: the queue.
        handler: the function's Lambda handler.
        function: its folder in ``functions/``.
        batch_size: most messages in one event, at most 10.
        workers: batches that are worked on at once.
        timeout: seconds that the function has; memory: MiB.
        client: an SQS client; it is used by all threads.
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
        # One asks for messages at a time: an idle queue is then asked once a second, not by all.
        self._asking = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"{function}-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        """Poll until ``stop``."""
        for thread in self._threads:
            thread.start()

    def drain(self, seconds: float) -> int:
        """Go on until the queue is empty or the time is over, then stop.

        Returns:
            How many messages are left, or 0 if the queue cannot tell.
        """
        end = time.monotonic() + seconds
        while self._waiting() and time.monotonic() < end:
            time.sleep(0.1)
        self.stop()
        return self._waiting()

    def stop(self, seconds: float = shutdown.PATIENCE) -> None:
        """Begin no other batch, and give those that are under way some seconds to finish.

        The messages of one that does not finish stay in the queue.
        """
        self._stopping.set()
        shutdown.join(*self._threads, seconds=seconds)

    def _work(self) -> None:
        messages: Sequence[MessageTypeDef]
        while not self._stopping.is_set():
            try:
                with self._asking:
                    messages = () if self._stopping.is_set() else self._receive()
            except (BotoCoreError, ClientError) as error:
                if not self._stopping.wait(_UNREACHABLE):
                    _logger.warning("The queue of %s does not answer: %s", self._function, error)
                continue
            if messages:
                self._settle(messages, self._call(messages))

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
        """Call the function; the ids of the messages that it has not done."""
        everything = {message["MessageId"] for message in messages}
        context = Context(
            function_name=f"facedex-{self._function}",
            timeout=self._timeout,
            memory_limit_in_mb=self._memory,
            aws_request_id=str(uuid.uuid4()),
        )
        try:
            answer = self._handler(batch_event(messages, self._queue_url), context)
            return failed_messages(answer) & everything
        except Exception:
            _logger.exception("The function %s failed.", self._function)
            return everything

    def _settle(self, messages: Sequence[MessageTypeDef], failed: set[str]) -> None:
        """Delete what is done; have the rest delivered again, later each time."""
        done = [each for each in messages if each["MessageId"] not in failed]
        left = [each for each in messages if each["MessageId"] in failed]
        try:
            if done:
                self._client.delete_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
                        for number, each in enumerate(done)
                    ],
                )
            if left:
                self._client.change_message_visibility_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {
                            "Id": str(number),
                            "ReceiptHandle": each["ReceiptHandle"],
                            "VisibilityTimeout": _delay(each),
                        }
                        for number, each in enumerate(left)
                    ],
                )
        except (BotoCoreError, ClientError) as error:
            # They come again once their visibility timeout is over, which does no harm.
            _logger.warning("Messages of %s are delivered twice: %s", self._function, error)

    def _waiting(self) -> int:
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
    """The event of a batch of messages, as Lambda makes it."""
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
    """Ids of the messages that a function reports as failed; of none if it answers nothing.

    Raises:
        TypeError, KeyError, AttributeError: the answer is not of the form that Lambda takes, which
            counts as a failure of the whole batch.
    """
    if not answer:
        return set()
    return {item["itemIdentifier"] for item in answer.get("batchItemFailures") or ()}


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    """A message attribute; Lambda spells its members in lower case."""
    return {
        "stringListValues": [],
        "binaryListValues": [],
        **{member[0].lower() + member[1:]: each for member, each in value.items()},
    }


def _delay(message: MessageTypeDef) -> int:
    received = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return min(_LONGEST_DELAY, int(2 ** min(received, 10)))
