"""Outgoing messages: work to SQS queues, completed jobs to the caller's SNS topic."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from facedex.api.errors import InvalidParameterException
from facedex.aws import clients
from facedex.observability import recording

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from facedex.store.jobs import Job

_BATCH: Final = 10  # SQS's maximum
_FIFO: Final = ".fifo"
# SNS's codes for a topic that does not exist, and for an ARN that cannot be a topic's.
_NO_TOPIC: Final = frozenset({"NotFound", "NotFoundException", "InvalidParameter"})
# SNS's names of topics. The service model's pattern also accepts ARNs without a region, for which
# there is no address to ask or to publish to.
_TOPIC: Final = re.compile(
    r"arn:aws[a-z-]*:sns:[a-z]{2}[a-z0-9-]{1,30}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?"
)

_logger: Final = logging.getLogger(__name__)


class NotSent(Exception):
    """A message did not reach its queue or topic; sending it can be retried."""


def send_messages(queue: str, messages: Iterable[Mapping[str, Any]]) -> None:
    """Send messages to a queue, as JSON.

    Args:
        queue: URL of the queue.
        messages: the messages.

    Raises:
        NotSent: if the queue did not accept all of them.
    """
    bodies = [orjson.dumps(message).decode() for message in messages]
    trace = recording.carrier()
    try:
        for first in range(0, len(bodies), _BATCH):
            batch = enumerate(bodies[first : first + _BATCH])
            sent = clients.queues().send_message_batch(
                QueueUrl=queue,
                Entries=[_entry(number, body, trace) for number, body in batch],
            )
            if sent.get("Failed"):
                raise NotSent(f"The queue refused {len(sent['Failed'])} messages.")
    except _failures() as error:
        raise NotSent(f"The queue cannot be reached ({type(error).__name__}).") from error


def _entry(number: int, body: str, trace: Mapping[str, str]) -> SendMessageBatchRequestEntryTypeDef:
    """Return a message of a batch; its receiver continues the trace, if there is one."""
    entry: SendMessageBatchRequestEntryTypeDef = {"Id": str(number), "MessageBody": body}
    if trace:
        entry["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": text} for name, text in trace.items()
        }
    return entry


def completion(job: Job) -> str:
    """Return the message about a finished job, in Rekognition's format.

    See "Reference: Video analysis results notification" in Rekognition's developer guide.
    """
    assert job.finished_at is not None
    return orjson.dumps(
        {
            "JobId": job.job_id,
            "Status": job.status,
            "API": job.order.operation,
            **({"JobTag": job.order.job_tag} if job.order.job_tag else {}),
            "Timestamp": _milliseconds(job.finished_at),
            "Video": {
                "S3ObjectName": job.order.video.name,
                "S3Bucket": job.order.video.bucket,
            },
        }
    ).decode()


def require_topic(topic_arn: str) -> None:
    """Check that an SNS topic exists, before a job that will publish to it is started.

    SNS may be out of reach, or may not allow this question; the topic then passes, as its message
    is sent later and repeatedly.

    Raises:
        InvalidParameterException: if there is no such topic, or there cannot be one. The service
            model has no other error for this that all operations with a NotificationChannel share.
    """
    from botocore.exceptions import ClientError

    if not _TOPIC.fullmatch(topic_arn):
        raise InvalidParameterException(
            f"NotificationChannel.SNSTopicArn: {topic_arn} is not the ARN of a topic, which looks"
            " like arn:aws:sns:REGION:ACCOUNT:NAME."
        )
    try:
        clients.topics(clients.region_of(topic_arn)).get_topic_attributes(TopicArn=topic_arn)
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code in _NO_TOPIC:
            raise InvalidParameterException(
                f"NotificationChannel.SNSTopicArn: the topic {topic_arn} does not exist; create it"
                " first."
            ) from error
        _logger.warning("It is unknown whether the topic %s exists: %s", topic_arn, code)
    except _failures() as error:
        _logger.warning(
            "It is unknown whether the topic %s exists: %s", topic_arn, type(error).__name__
        )


def publish(topic_arn: str, job: Job) -> None:
    """Publish that a job has ended.

    A FIFO topic delivers one message for each job, even if this is called several times.

    Raises:
        NotSent: if the topic did not accept the message.
    """
    region = clients.region_of(topic_arn)
    message = completion(job)
    try:
        if topic_arn.endswith(_FIFO):
            clients.topics(region).publish(
                TopicArn=topic_arn,
                Message=message,
                MessageGroupId=job.job_id,
                MessageDeduplicationId=job.job_id,
            )
        else:
            clients.topics(region).publish(TopicArn=topic_arn, Message=message)
    except _failures() as error:
        reason = str(error).partition("\n")[0]  # the response's body may follow the first line
        raise NotSent(f"The topic {topic_arn} did not accept the message ({reason}).") from error


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions that a call to AWS may raise, also if a proxy answers it."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return BotoCoreError, ClientError, ResponseParserError


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
