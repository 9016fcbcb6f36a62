"""Uploads on one machine: a bucket whose objects are indexed, as in a deployment.

The bucket, its queue and the dead-letter queue are created while the machine starts: in moto, or
at the endpoints that the user has configured for both S3 and SQS.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from facedex.api.catalog import OTHER_FUNCTIONS
from facedex.runtime import handlers
from facedex_local import shutdown
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import ACCOUNT
from facedex_local.http.listener import Application
from facedex_local.terminal import EscapingFormatter

if TYPE_CHECKING:
    from facedex_local.workers.event_source import EventSource

BUCKET: Final = "uploads"
QUEUE: Final = "facedex-uploads"
DEAD_LETTERS: Final = "facedex-uploads-dead-letters"

_FUNCTION: Final = "index_upload"
_DEAD_LETTERS_SETTING: Final = "FACEDEX_UPLOADS_DEAD_LETTERS"
_QUEUE_SETTING: Final = "FACEDEX_UPLOADS_QUEUE"
_BATCH: Final = 4  # small, so that photos are spread evenly over the threads
_MOST_RECEIVES: Final = 10
_PATIENCE: Final = 60  # seconds for which a request waits for the bucket's creation
_LOOK: Final = 0.02  # seconds between checks of whether the gate is open
_DRAIN: Final = 5.0  # seconds at shutdown in which remaining uploads are still indexed

# The function's: what it does is shown on the terminal.
_logger = logging.getLogger("facedex.functions.index_upload")


class Gate:
    """Delay requests to moto until the uploads bucket exists.

    The machine can thus become ready before moto, and no request fails for lack of the bucket.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._opened = threading.Event()

    def open(self) -> None:
        """Pass all requests on from now on."""
        self._opened.set()

    def wait(self) -> bool:
        """Wait for a minute at most, and return whether the gate is open."""
        return self._opened.wait(_PATIENCE)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request with moto, once the gate is open."""
        end = time.monotonic() + _PATIENCE
        while not self._opened.is_set() and time.monotonic() < end:
            await asyncio.sleep(_LOOK)
        await self._application(exchange)


class Uploads:
    """The uploads bucket and the indexing of its objects.

    Args:
        own_url: URL at which functions reach moto.
        log: whether to log a line for each upload to stderr.
        environment: endpoints, and settings of the function; the URLs of its two queues are added
            to it.
    """

    def __init__(
        self, own_url: str, *, log: bool, environment: MutableMapping[str, str] = os.environ
    ) -> None:
        self._log = log
        self._bucket = environment.get("FACEDEX_UPLOADS_BUCKET", BUCKET)
        self._deletes = environment.get("FACEDEX_UPLOADS_DELETE_FACES") == "true"
        endpoints = [_endpoint(environment, service) for service in ("S3", "SQS")]
        self._in_memory = endpoints == [own_url, own_url]
        self._queue = self._problem = ""
        if not self._bucket:
            return
        if endpoints[0] != endpoints[1]:
            self._problem = (
                "S3 and SQS are at different endpoints; set both AWS_ENDPOINT_URL_S3 and"
                " AWS_ENDPOINT_URL_SQS, or neither"
            )
        elif self._in_memory:
            # The URLs of moto's queues are known in advance, so there is no need to wait for moto.
            self._queue = environment[_QUEUE_SETTING] = f"{own_url}/{ACCOUNT}/{QUEUE}"
            environment[_DEAD_LETTERS_SETTING] = f"{own_url}/{ACCOUNT}/{DEAD_LETTERS}"
        else:
            self._create_elsewhere(environment)

    @contextmanager
    def indexing(self, gate: Gate) -> Iterator[None]:
        """Index uploads while the block runs, and the remaining ones for some seconds after it.

        Args:
            gate: opened when the bucket exists.
        """
        self._configure_logger()
        if not self._queue:
            gate.open()
            if self._problem:
                _logger.warning("uploads are not indexed: %s", self._problem)
            yield
            return
        started: list[Any] = []
        starter = threading.Thread(
            target=self._start, args=(gate, started), name="uploads", daemon=True
        )
        starter.start()
        try:
            yield
        finally:
            shutdown.join(starter)
            if started:
                # In addition to draining, allow time for a queue that does not answer.
                shutdown.run(
                    "draining uploads",
                    lambda: self._drain(started[0]),
                    seconds=_DRAIN + 2 * shutdown.PATIENCE,
                )

    def _drain(self, source: EventSource) -> None:
        if remaining := source.drain(_DRAIN):
            consequence = (
                "are lost with moto's memory; upload them again"
                if self._in_memory
                else "are indexed after the next start"
            )
            _logger.warning("uploads that were still waiting: %d; they %s", remaining, consequence)

    def _start(self, gate: Gate, started: list[Any]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        from facedex_local.workers.event_source import EventSource

        try:
            if self._in_memory:
                self._create()
        except (BotoCoreError, ClientError) as error:
            _logger.warning("uploads are not indexed: %s", error)
            return
        finally:
            gate.open()
        row = OTHER_FUNCTIONS[_FUNCTION]
        source = EventSource(
            self._queue,
            handlers.load(row.function),
            function=_FUNCTION,
            batch_size=_BATCH,
            workers=os.cpu_count() or 1,
            timeout=row.timeout,
            memory=row.memory,
            client=_client("sqs"),
        )
        source.start()
        started.append(source)

    def _create_elsewhere(self, environment: MutableMapping[str, str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._queue, environment[_DEAD_LETTERS_SETTING] = self._create()
            environment[_QUEUE_SETTING] = self._queue
        except (BotoCoreError, ClientError) as error:
            self._problem = str(error)

    def _create(self) -> tuple[str, str]:
        """Create the bucket and the queues if they are missing; return the two queues' URLs."""
        import json

        sqs = _client("sqs")
        dead_letters = sqs.create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
        queue = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        redrive = {
            "deadLetterTargetArn": _arn(sqs, dead_letters),
            "maxReceiveCount": _MOST_RECEIVES,
        }
        sqs.set_queue_attributes(
            QueueUrl=queue,
            Attributes={
                "VisibilityTimeout": str(OTHER_FUNCTIONS[_FUNCTION].timeout),
                "RedrivePolicy": json.dumps(redrive),
            },
        )
        self._create_bucket(_arn(sqs, queue))
        return queue, dead_letters

    def _create_bucket(self, queue_arn: str) -> None:
        from botocore.exceptions import ClientError

        s3 = _client("s3")
        try:
            s3.head_bucket(Bucket=self._bucket)
        except ClientError:
            region = s3.meta.region_name
            elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            try:
                s3.create_bucket(
                    Bucket=self._bucket, **({} if region == "us-east-1" else elsewhere)
                )
            except ClientError as error:
                # Another server that started at the same moment has created it.
                if error.response["Error"].get("Code") != "BucketAlreadyOwnedByYou":
                    raise
        found = s3.get_bucket_notification_configuration(Bucket=self._bucket)
        others = [each for each in found.get("QueueConfigurations", ()) if each["Id"] != QUEUE]
        events = ["s3:ObjectCreated:*", *(["s3:ObjectRemoved:*"] if self._deletes else [])]
        ours = {"Id": QUEUE, "QueueArn": queue_arn, "Events": events}
        kept = {name: value for name, value in found.items() if name != "ResponseMetadata"}
        s3.put_bucket_notification_configuration(
            Bucket=self._bucket,
            NotificationConfiguration={**kept, "QueueConfigurations": [*others, ours]},
        )

    def _configure_logger(self) -> None:
        """Log the function's messages to the terminal in a readable format."""
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(EscapingFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
        # Importing the function configures its logger, so this has to come first.
        handlers.load(_FUNCTION)
        _logger.handlers = [handler]
        _logger.propagate = False
        _logger.setLevel(logging.INFO if self._log else logging.WARNING)


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # A separate session, as boto3's default session is not thread-safe.
    session = boto3.session.Session()
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3})
    return session.client(service, config=config)  # type: ignore[call-overload]


def _arn(sqs: Any, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn


def _endpoint(environment: MutableMapping[str, str], service: str) -> str | None:
    named = environment.get(f"AWS_ENDPOINT_URL_{service}")
    return named or environment.get("AWS_ENDPOINT_URL")
