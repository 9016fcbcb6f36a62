"""A worker of a stream processor: it analyses the stream for some minutes and then hands over.

A message names the processor. One worker at a time has the lease on it, which a heartbeat extends.
The next worker continues after the last fragment whose records are all in the data stream, so the
record of every analysed frame is written at least once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import boto3
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from facedex import invocation
from facedex.api.errors import InvalidParameterException
from facedex.aws.clients import region_of
from facedex.aws.live_sources import SourceRefused, open_source
from facedex.media.matroska.matroska_errors import MatroskaError, NoVideo
from facedex.runtime import model_packs, services
from facedex.runtime.logs import get_logger, log_failure
from facedex.runtime.worker import worker
from facedex.settings import settings
from facedex.store import stream_runs
from facedex.store.jobs import Gallery
from facedex.store.store_errors import (
    CollectionNotFound,
    DatabaseUnavailable,
    LeaseLost,
    ModelMismatch,
)
from facedex.store.stream_processors import Definition
from facedex.store.stream_runs import Checkpoint, RunLease
from facedex.vision.packs import Pack
from facedex.vision.vision_errors import PackMissing, Uncalibrated
from facedex.workflows import live_video
from facedex.workflows.current_collection import find_kept
from facedex.workflows.heartbeat import STREAM_LEASE_SECONDS, StreamHeartbeat
from facedex.workflows.matching import LiveMatcher, Matcher
from facedex.workflows.watchdog import Watchdog
from facedex_functions.run_stream_processor.record_writer import RecordWriter, WritingFailed
from facedex_functions.run_stream_processor.session import Session

_SPARE: Final = 30.0  # seconds of the invocation reserved for handing over
_MARGIN: Final = 30.0  # seconds that work without a lease may last, beyond its waits for a database
# Errors that no retry would correct: the processor fails with their message.
_FATAL = (
    NoVideo,
    CollectionNotFound,
    InvalidParameterException,
    SourceRefused,
    Uncalibrated,
)
_UNFORESEEN: Final = "The stream could not be analysed; see the service's log."

_logger: Final = get_logger(__name__)

# A function that ends a worker's lease, given the last checkpoint.
EndLease = Callable[[Checkpoint | None], None]


def process_stream(record: SQSRecord) -> None:
    """Work on the processor that a message names, unless another worker has it or it is stopped.

    Raises:
        DatabaseUnavailable: if the lease could not be claimed.
    """
    key = json.loads(record.body)["StreamProcessor"]
    database = services.database()
    # The longest planned waits without a lease are two for the database, and some for AWS.
    waiting = settings().database_patience + settings().statement_timeout
    grace = 2 * waiting + _MARGIN
    with (
        Watchdog(f"the stream processor {key}", lambda: False, grace),
        database.transaction() as connection,
    ):
        lease = stream_runs.claim_lease(connection, key, STREAM_LEASE_SECONDS)
    if lease is None:
        return
    seconds = min(float(settings().stream_seconds), invocation.remaining() - _SPARE)
    heartbeat = StreamHeartbeat(database, lease)
    with Watchdog(lease.processor.name, lambda: heartbeat.holds_lease, grace):
        with heartbeat:
            end_lease = _run_session(lease, heartbeat, seconds)
        try:
            end_lease(heartbeat.checkpoint)
            live_video.send(database, settings(), key)
        except DatabaseUnavailable as error:
            _logger.warning(
                "The lease on %s could not be released and will expire: %s",
                lease.processor.name,
                error,
            )


def _run_session(lease: RunLease, heartbeat: StreamHeartbeat, seconds: float) -> EndLease:
    """Analyse the stream for a number of seconds; return the function that ends the lease."""
    definition = lease.processor.definition
    try:
        source = open_source(definition.video_stream_arn, settings())
        pack = _find_pack(definition)
        matcher = Matcher(services.database(), _gallery_of(definition), pack)
        with RecordWriter(
            _kinesis_client(definition.data_stream_arn),
            definition.data_stream_arn,
            definition.name,
            heartbeat,
        ) as writer:
            Session(
                lease,
                heartbeat,
                source,
                writer,
                LiveMatcher(matcher),
                pack,
                settings=settings(),
                seconds=seconds,
            ).run()
    except LeaseLost:
        _logger.warning("Another worker has %s, or its run has ended.", definition.name)
        return lambda _checkpoint: None
    except ModelMismatch as error:
        _logger.warning("%s is handed over to another worker: %s", definition.name, error)
        return partial(_release, lease)
    except _FATAL as error:
        return partial(_fail, lease, str(error))
    except WritingFailed as error:
        return partial(_retry if error.transient else _fail, lease, str(error))
    except (MatroskaError, PackMissing) as error:
        return partial(_retry, lease, str(error))
    except Exception as error:
        log_failure(_logger, f"The work on {definition.name} failed", error)
        return partial(_retry, lease, _UNFORESEEN)
    return partial(_release, lease)


def _find_pack(definition: Definition) -> Pack:
    """Return the pack of the vectors that the processor's collection has now."""
    with services.database().reading() as connection:
        collection = find_kept(connection, definition.collection_id, definition.collection_key, "")
    return model_packs.pack_of(collection)


def _gallery_of(definition: Definition) -> Gallery:
    return Gallery(definition.collection_key, definition.collection_id, definition.threshold)


def _release(lease: RunLease, checkpoint: Checkpoint | None) -> None:
    with services.database().transaction() as connection:
        stream_runs.release_lease(connection, lease, checkpoint)


def _retry(lease: RunLease, reason: str, checkpoint: Checkpoint | None) -> None:
    _logger.warning("%s will be retried: %s", lease.processor.name, reason)
    with services.database().transaction() as connection:
        stream_runs.retry_later(connection, lease, reason, checkpoint)


def _fail(lease: RunLease, reason: str, _checkpoint: Checkpoint | None) -> None:
    _logger.warning("%s failed: %s", lease.processor.name, reason)
    with services.database().transaction() as connection:
        stream_runs.fail_run(connection, lease, reason)


def _kinesis_client(stream_arn: str) -> Any:
    # Short timeouts, so that a run can stop without a long wait for the data stream.
    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    region = region_of(stream_arn)
    return boto3.session.Session().client("kinesis", region_name=region, config=config)


lambda_handler = worker("run_stream_processor", process_stream, _logger)
