"""Streaming video on one machine: a worker process for each stream processor that is active."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from facedex.setting_reader import Reader
from facedex_local.workers.processes import Workforce
from facedex_local.workers.queues import STREAMS

if TYPE_CHECKING:
    from facedex.store.database import Connection

# Beyond it, streams wait for others to be handed over.
_MOST: Final = 4
_RETENTION: Final = 1  # hours, as in `facedex stream push`
_TAKEN: Final = "ResourceInUseException"

_logger: Final = logging.getLogger("facedex")


def workforce() -> Workforce:
    """As many workers as there are active stream processors, up to a limit.

    Raises:
        SettingError: if FACEDEX_STREAM_WORKERS is invalid.
    """
    from facedex.settings import settings
    from facedex.store import active_streams, stream_runs
    from facedex.workflows import live_video

    most = Reader(os.environ).whole("FACEDEX_STREAM_WORKERS", _MOST, least=0)
    servers = settings().servers(*live_video.STREAMS)

    def wanted(connection: Connection) -> int:
        return min(most, active_streams.count_active(connection, servers=servers))

    # Live comes before stored video, and after requests.
    return Workforce("run_stream_processor", STREAMS, 5, wanted, stream_runs.resend_messages)


def restore_streams(own_url: str) -> None:
    """Create the streams of processors that were active when an earlier process ended.

    moto's streams are lost with its process; without them, the processors would fail. Call this
    before requests are accepted.

    Args:
        own_url: where moto answers functions.
    """
    from facedex.runtime import services
    from facedex.settings import settings
    from facedex.store import active_streams
    from facedex.store.store_errors import DatabaseUnavailable
    from facedex.workflows import live_video

    servers = settings().servers(*live_video.STREAMS)
    try:
        with services.database().reading() as connection:
            processors = active_streams.list_active(connection, servers=servers)
        for processor in processors:
            definition = processor.definition
            if os.environ.get("AWS_ENDPOINT_URL_KINESIS") == own_url:
                _make("kinesis", definition.data_stream_arn, ShardCount=1)
            if os.environ.get("AWS_ENDPOINT_URL_KINESIS_VIDEO") == own_url:
                _make("kinesisvideo", definition.video_stream_arn, DataRetentionInHours=_RETENTION)
    except (DatabaseUnavailable, BotoCoreError, ClientError) as error:
        _logger.warning("The streams of stream processors are not made again: %s", error)


def _make(service: str, arn: str, **members: Any) -> None:
    """Make the stream of that ARN, unless it is there, or is something else."""
    _, _, kind, region, _, resource = arn.split(":", 5)
    if kind != service or not resource.startswith("stream/"):
        return
    client: Any = boto3.client(service, region_name=region)  # type: ignore[call-overload]
    try:
        client.create_stream(StreamName=resource.split("/")[1], **members)
    except ClientError as error:
        if error.response["Error"].get("Code") != _TAKEN:
            raise
