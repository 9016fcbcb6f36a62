"""Events of copies are metrics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facedex.observability import metrics
from facedex.observability.definitions import Metric
from facedex.observability.recording import install, uninstall
from facedex.store.fall_backs import Events, FallBacks


@pytest.fixture
def recorded() -> Iterator[list[tuple[Metric, float, tuple[str, ...]]]]:
    """Return what the metrics receive."""
    received: list[tuple[Metric, float, tuple[str, ...]]] = []
    install(lambda metric, value, labels: received.append((metric, value, labels)))
    yield received
    uninstall()


def test_events_are_counted_and_recorded(
    recorded: list[tuple[Metric, float, tuple[str, ...]]],
) -> None:
    events = Events()
    events.add("answers")
    events.add("answers")
    assert events["answers"] == 2
    assert recorded == [(metrics.GALLERY_EVENTS, 1.0, ("answers",))] * 2


def test_a_reason_for_sql_is_logged_once_and_recorded_each_time(
    recorded: list[tuple[Metric, float, tuple[str, ...]]], caplog: pytest.LogCaptureFixture
) -> None:
    events = Events()
    fall_back = FallBacks(events)
    fall_back("the copy is not current")
    fall_back("the copy is not current")
    assert events["fallbacks: the copy is not current"] == 2
    assert recorded == [(metrics.GALLERY_EVENTS, 1.0, ("fallbacks",))] * 2
    (record,) = caplog.records
    assert "the copy is not current" in record.getMessage()
