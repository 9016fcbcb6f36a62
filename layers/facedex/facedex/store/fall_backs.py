"""Counts of what happens to copies, and reports of searches that SQL answers in their place."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

import psycopg

from facedex.observability import metrics
from facedex.observability.recording import record

_logger: Final = logging.getLogger("facedex")


class Events(Counter[str]):
    """Numbers of events of one process, which are also recorded as metrics."""

    def add(self, event: str) -> None:
        """Count an event."""
        self[event] += 1
        record(metrics.GALLERY_EVENTS, 1.0, event)


class FallBacks:
    """Counts and logs the reasons of one process.

    Args:
        events: numbers of events, which are counted here.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._logged: set[str] = set()

    def __call__(self, reason: str, error: Exception | None = None) -> None:
        """Count an answer from SQL; log the reason the first time.

        Args:
            reason: the beginning of the log's line.
            error: the error that caused it. Its traceback is logged, unless the database raised it:
                those are known by their names, and their texts may contain vectors.
        """
        self._events.add("fallbacks")
        self._events[f"fallbacks: {reason}"] += 1
        if reason not in self._logged:
            self._logged.add(reason)
            name = "" if error is None else f" ({type(error).__name__})"
            _logger.warning(
                "A search was answered by SQL instead of the copy in memory: %s%s. Further cases"
                " are counted and not logged.",
                reason,
                name,
                exc_info=None if isinstance(error, psycopg.Error) else error,
            )
