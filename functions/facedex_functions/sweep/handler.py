"""What is left to do once nobody waits for it: deleted rows, video jobs and streams that stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from facedex import invocation
from facedex.runtime import services
from facedex.settings import settings
from facedex.store import collections, stream_processors, stream_runs
from facedex.store.database import Database
from facedex.workflows import live_video, stored_video

_SPARE: Final = 60.0  # seconds of the function's time that are kept for the batch under way


def lambda_handler(_event: Mapping[str, Any], context: Any) -> None:
    """Lambda's entry: a scheduled event; what time does not suffice for, the next one does."""
    with invocation.under(context):
        database = services.database()
        live_video.sweep(database, settings())
        if settings().stream_queue:
            _report_streams(database, context.function_name)
        stored_video.sweep(database, settings())
        collections.sweep(database, seconds=max(0.0, invocation.remaining() - _SPARE))


def _report_streams(database: Database, function: str) -> None:
    """Say how many processors there are to do something about, for alarms to watch."""
    with database.transaction() as connection:
        found = {
            "StreamProcessorsActive": stream_runs.count_active(connection),
            "StreamProcessorsFailed": stream_processors.count_failed(connection),
        }
    for name, number in found.items():
        with single_metric(name, MetricUnit.Count, number, namespace="Facedex") as metric:
            # Its name tells this deployment from others in the account.
            metric.add_dimension("FunctionName", function)
