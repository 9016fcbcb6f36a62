"""Uploads on one machine: a bucket whose objects are indexed, as in a deployment.

The bucket, its queue and the dead-letter queue are made while the machine starts, in moto or,
where the user has named other endpoints for both S3 and SQS, there.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from facedex.api.catalog import WORKERS
from facedex.runtime import handlers
from facedex_local import shutdown
from facedex_local.http.gateway import ACCOUNT
from facedex_local.http.listener import Application

if TYPE_CHECKING:
    from facedex_local.workers.event_source import EventSource

BUCKET: Final = "uploads"
QUEUE: Final = "facedex-uploads"
DEAD_LETTERS: Final = "facedex-uploads-dead-letters"

_FUNCTION: Final = "index_upload"
_DEAD_LETTERS_SETTING: Final = "FACEDEX_UPLOADS_DEAD_LETTERS"
_QUEUE_SETTING: Final = "FACEDEX_UPLOADS_QUEUE"
_BATCH: Final = 4  # small, so that no thread has a heap of photos while another has none
_MOST_RECEIVES: Final = 10
_PATIENCE: Final = 60  # seconds that a request waits for the bucket to be made
_DRAIN: Final = 5.0  # seconds at the end in which what is left is still indexed

# The function's: what it does is shown on the terminal.
_logger = logging.getLogger("facedex.functions.index_upload")


class Gate:
    """Lets requests through to moto once the uploads bucket is there.

    So the machine need not wait for moto with being ready, and nobody finds the bucket missing.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._opened = threading.Event()

    def open(self) -> None:
        """Let everything through from now on."""
        self._opened.set()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer as moto does."""
        self._opened.wait(_PATIENCE)
        return self._application(environ, start_response)


class Uploads:
    """The uploads bucket and what works it off.

    Args:
        own_url: where moto answers functions.
        log: whether a line per upload goes to stderr.
        environment: endpoints, and settings of the function; the addresses of its two queues are
            added to it.
    """

    def __init__(
        self, own_url: str, *, log: bool, environment: MutableMapping[str, str] = os.environ
    ) -> None:
        self._log = log
        self._bucket = environment.get("FACEDEX_UPLOADS_BUCKET", BUCKET)
        self._deletes = environment.get("FACEDEX_UPLOADS_DELETE_FACES") == "true"
        places = [_endpoint(environment, service) for service in ("S3", "SQS")]
        self._in_memory = places == [own_url, own_url]
        self._queue = self._trouble = ""
        if not self._bucket:
            return
        if places[0] != places[1]:
            self._trouble = (
                "S3 and SQS are at different endpoints; set both AWS_ENDPOINT_URL_S3 and"
                " AWS_ENDPOINT_URL_SQS, or neither"
            )
        elif self._in_memory:
            # Addresses of moto's queues are known beforehand, so that nobody waits for moto.
            self._queue = environment[_QUEUE_SETTING] = f"{own_url}/{ACCOUNT}/{QUEUE}"
            environment[_DEAD_LETTERS_SETTING] = f"{own_url}/{ACCOUNT}/{DEAD_LETTERS}"
        else:
            self._make_elsewhere(environment)

    @contextmanager
    def indexing(self, gate: Gate) -> Iterator[None]:
        """Index what is put into the bucket while the block runs, and for some seconds after it."""
        self._speak()
        if not self._queue:
            gate.open()
            if self._trouble:
                _logger.warning("uploads are not indexed: %s", self._trouble)
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
                # Beside the time for draining it needs some for a queue that does not answer.
                shutdown.run(
                    "draining uploads",
                    lambda: self._drain(started[0]),
                    seconds=_DRAIN + 2 * shutdown.PATIENCE,
                )

    def _drain(self, source: EventSource) -> None:
        if left := source.drain(_DRAIN):
            fate = (
                "are lost with moto's memory; upload them again"
                if self._in_memory
                else "are indexed after the next start"
            )
            _logger.warning("%d uploads were still waiting: they %s", left, fate)

    def _start(self, gate: Gate, started: list[Any]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        from facedex_local.workers.event_source import EventSource

        try:
            if self._in_memory:
                self._make()
        except (BotoCoreError, ClientError) as error:
            _logger.warning("uploads are not indexed: %s", error)
            return
        finally:
            gate.open()
        row = WORKERS[_FUNCTION]
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

    def _make_elsewhere(self, environment: MutableMapping[str, str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._queue, environment[_DEAD_LETTERS_SETTING] = self._make()
            environment[_QUEUE_SETTING] = self._queue
        except (BotoCoreError, ClientError) as error:
            self._trouble = str(error)

    def _make(self) -> tuple[str, str]:
        """Make bucket and queues, where they are not there yet; the addresses of the two queues."""
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
                "VisibilityTimeout": str(WORKERS[_FUNCTION].timeout),
                "RedrivePolicy": json.dumps(redrive),
            },
        )
        self._make_bucket(_arn(sqs, queue))
        return queue, dead_letters

    def _make_bucket(self, queue_arn: str) -> None:
        from botocore.exceptions import ClientError

        s3 = _client("s3")
        try:
            s3.head_bucket(Bucket=self._bucket)
        except ClientError:
            region = s3.meta.region_name
            elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=self._bucket, **({} if region == "us-east-1" else elsewhere))
        found = s3.get_bucket_notification_configuration(Bucket=self._bucket)
        others = [each for each in found.get("QueueConfigurations", ()) if each["Id"] != QUEUE]
        events = ["s3:ObjectCreated:*", *(["s3:ObjectRemoved:*"] if self._deletes else [])]
        ours = {"Id": QUEUE, "QueueArn": queue_arn, "Events": events}
        kept = {name: value for name, value in found.items() if name != "ResponseMetadata"}
        s3.put_bucket_notification_configuration(
            Bucket=self._bucket,
            NotificationConfiguration={**kept, "QueueConfigurations": [*others, ours]},
        )

    def _speak(self) -> None:
        """Have the function say on a terminal what it does; CloudWatch has its own format."""
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        # The function's own logger takes whatever level and handlers the name has first.
        handlers.load(_FUNCTION)
        _logger.handlers = [handler]
        _logger.propagate = False
        _logger.setLevel(logging.INFO if self._log else logging.WARNING)


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # A session of its own: boto3's shared one is not made for several threads.
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
