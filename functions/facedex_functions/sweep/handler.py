"""Regular maintenance: deleted rows, video jobs, streams and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from facedex import invocation
from facedex.observability import metrics
from facedex.runtime import reporting, services
from facedex.runtime.metrics import record_metric
from facedex.settings import settings
from facedex.store import active_streams, audit_upkeep, collections, copies, stream_processors
from facedex.store.database import Database
from facedex.workflows import live_video, stored_video

_SPARE: Final = 60.0  # seconds of the invocation reserved for the last batch


def lambda_handler(_event: Mapping[str, Any], context: Any) -> None:
    """Handle a scheduled event; if the time expires, the next one continues."""
    with reporting.under(context):
        database = services.database()
        live_video.sweep(database, settings())
        if settings().stream_queue:
            _report_streams(database)
        stored_video.sweep(database, settings())
        copies.prune(database)
        audit_upkeep.chain_all(database)
        audit_upkeep.prune(database, settings().audit_days)
        collections.sweep(database, seconds=max(0.0, invocation.remaining() - _SPARE))


def _report_streams(database: Database) -> None:
    """Record the numbers of active and failed processors, for the alarms."""
    with database.transaction() as connection:
        active = active_streams.count_active(connection)
        failed = stream_processors.count_failed(connection)
    record_metric(metrics.STREAMS_ACTIVE, active)
    record_metric(metrics.STREAMS_FAILED, failed)
