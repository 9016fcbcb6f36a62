"""A worker of a stream processor: has its stream for some minutes, and hands it over.

A message only says which processor to look at. At most one worker has it, by a lease that a
heartbeat extends; whoever comes next goes on behind the last fragment whose records the data
stream has taken. So every frame that is looked at is written at least once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from facedex.api.errors import InvalidParameterException
from facedex.media.matroska.errors import MatroskaError, NoVideo
from facedex.runtime import services
from facedex.settings import settings
from facedex.store import stream_runs
from facedex.store.errors import CollectionNotFound, DatabaseUnavailable, LeaseLost, ModelMismatch
from facedex.store.stream_processors import Definition
from facedex.store.stream_runs import Checkpoint, Lease
from facedex.vision.errors import Uncalibrated
from facedex.vision.packs import Pack
from facedex.workflows import live_video
from facedex.workflows.current_collection import find_kept
from facedex_functions.run_stream_processor.heartbeat import LEASE, Heartbeat
from facedex_functions.run_stream_processor.output import Output, OutputFailed
from facedex_functions.run_stream_processor.session import Session
from facedex_functions.run_stream_processor.sources import SourceRefused, open_source

_SPARE: Final = 30.0  # seconds of the function's time that are kept for handing over
# What no repetition mends: the processor fails, in their words.
_FATAL = (
    NoVideo,
    CollectionNotFound,
    InvalidParameterException,
    SourceRefused,
    Uncalibrated,
)

_logger: Final = logging.getLogger(__name__)


def lambda_handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """Lambda's entry: an SQS event; messages that failed are delivered again."""
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False, logger=_logger)

    def work(record: SQSRecord) -> None:
        _work(json.loads(record.body)["StreamProcessor"], context)

    return process_partial_response(dict(event), work, processor, context)


def _work(key: int, context: Any) -> None:
    database = services.database()
    with database.transaction() as connection:
        lease = stream_runs.take(connection, key, LEASE)
    if lease is None:
        return  # in other hands, or its run is over
    left = context.get_remaining_time_in_millis() / 1000 - _SPARE
    with Heartbeat(database, lease) as beat:
        end = _run(lease, beat, min(float(settings().stream_seconds), left), context.function_name)
    try:
        end(beat.checkpoint)
        live_video.send(database, settings(), key)
    except DatabaseUnavailable as error:
        _logger.warning("The lease of %s runs out: %s", lease.processor.name, error)


# What is done with a lease at the end, given how far everything is written.
End = Callable[[Checkpoint | None], None]


def _run(lease: Lease, beat: Heartbeat, seconds: float, function: str) -> End:
    """Work on a stream; how that ends."""
    definition = lease.processor.definition
    try:
        source = open_source(definition.video_stream_arn, settings())
        with Output(_kinesis(), definition.data_stream_arn, definition.name, beat) as output:
            Session(
                lease,
                beat,
                source,
                output,
                database=services.database(),
                pack=_pack(definition),
                settings=settings(),
                seconds=seconds,
                function=function,
            ).run()
    except LeaseLost:
        _logger.warning("%s is another worker's, or its run is over.", definition.name)
        return lambda _checkpoint: None
    except ModelMismatch as error:
        _logger.warning("%s is handed over: %s", definition.name, error)
        return partial(_release, lease)
    except _FATAL as error:
        return partial(_fail, lease, str(error))
    except OutputFailed as error:
        return partial(_retry if error.passing else _fail, lease, str(error))
    except MatroskaError as error:
        return partial(_retry, lease, str(error))
    except Exception:
        _logger.exception("The work on %s failed.", definition.name)
        return partial(_retry, lease, _UNFORESEEN)
    return partial(_release, lease)


def _pack(definition: Definition) -> Pack:
    """The pack that the processor's collection is made with now."""
    with services.database().reading() as connection:
        collection = find_kept(connection, definition.collection_id, definition.collection_key, "")
    return services.pack_of(collection)


_UNFORESEEN: Final = "The stream could not be analysed; the service's log says why."


def _release(lease: Lease, checkpoint: Checkpoint | None) -> None:
    with services.database().transaction() as connection:
        stream_runs.release(connection, lease, checkpoint)


def _retry(lease: Lease, reason: str, checkpoint: Checkpoint | None) -> None:
    _logger.warning("%s is tried again: %s", lease.processor.name, reason)
    with services.database().transaction() as connection:
        stream_runs.retry(connection, lease, reason, checkpoint)


def _fail(lease: Lease, reason: str, _checkpoint: Checkpoint | None) -> None:
    _logger.warning("%s failed: %s", lease.processor.name, reason)
    with services.database().transaction() as connection:
        stream_runs.fail(connection, lease, reason)


def _kinesis() -> Any:
    # What is stopped must not wait for it for long.
    hasty = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    return boto3.session.Session().client("kinesis", config=hasty)
