"""Streaming video on one machine: a worker process for each stream processor that is active."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import ClientError

from local.queues import STREAMS
from local.workers import Workforce

if TYPE_CHECKING:
    from collections.abc import Mapping

    from facedex.store.database import Connection

# Beyond it, streams wait for others to be handed over.
_MOST: Final = 4
_RETENTION: Final = 1  # hours, as in `facedex stream push`
_TAKEN: Final = "ResourceInUseException"


def workforce(own_url: str) -> Workforce:
    """As many workers as there are active stream processors, up to a limit.

    Args:
        own_url: where moto answers functions.
    """
    from facedex.store import stream_runs

    most = int(os.environ.get("FACEDEX_STREAM_WORKERS") or _MOST)

    def wanted(connection: Connection) -> int:
        return min(most, stream_runs.count_active(connection))

    def remind(connection: Connection) -> None:
        _restore_streams(connection, own_url)
        stream_runs.send_again(connection)

    # Live comes before stored video, and after requests.
    return Workforce("run_stream_processor", STREAMS, 5, wanted, remind)


def _restore_streams(
    connection: Connection, own_url: str, environment: Mapping[str, str] = os.environ
) -> None:
    """Make the streams of the processors that an earlier process has left at work.

    What was in moto's memory is gone with it, and without them those would fail.
    """
    from facedex.store import stream_runs

    for processor in stream_runs.active(connection):
        definition = processor.definition
        if environment.get("AWS_ENDPOINT_URL_KINESIS") == own_url:
            _make("kinesis", definition.data_stream_arn, ShardCount=1)
        if environment.get("AWS_ENDPOINT_URL_KINESIS_VIDEO") == own_url:
            _make("kinesisvideo", definition.video_stream_arn, DataRetentionInHours=_RETENTION)


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
