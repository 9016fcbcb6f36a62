"""What is left to do once nobody waits for it: deleted rows, video jobs and streams that stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from facedex import invocation, services, streams, video
from facedex.settings import settings
from facedex.store import collections

_SPARE: Final = 60.0  # seconds of the function's time that are kept for the batch under way


def lambda_handler(_event: Mapping[str, Any], context: Any) -> None:
    """Lambda's entry: a scheduled event; what time does not suffice for, the next one does."""
    with invocation.under(context):
        database = services.database()
        streams.sweep(database, settings())
        video.sweep(database, settings())
        collections.sweep(database, seconds=max(0.0, invocation.remaining() - _SPARE))
