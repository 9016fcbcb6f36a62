"""The recorder of a process: counters, histograms, and gauges that are read from time to time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from facedex.observability import recording
from facedex.observability.definitions import Kind, Metric, Place
from facedex.observability.metrics import METRICS
from facedex_local.metrics import files, gauges

_INTERVAL: Final = 5.0  # seconds between two looks at the gauges of a process without scrapes

_logger: Final = logging.getLogger("facedex")


class Recorder:
    """Records values in this process's files.

    prometheus-client must not have been imported before the folder was named.
    """

    def __init__(self) -> None:
        import prometheus_client

        self._gauge: Final = prometheus_client.Gauge
        kinds = {
            Kind.COUNTER: prometheus_client.Counter,
            Kind.HISTOGRAM: prometheus_client.Histogram,
        }
        self._families: dict[Metric, Any] = {
            metric: kinds[metric.kind](
                metric.full_name,
                metric.help,
                metric.labels,
                registry=None,
                **({"buckets": metric.buckets} if metric.buckets else {}),
            )
            for metric in METRICS
            if metric.kind in kinds and metric.place is not Place.DEPLOYMENT
        }
        self._gauges: dict[Metric, Any] = {}
        self._acts: dict[tuple[Metric, tuple[str, ...]], Callable[[float], None]] = {}

    def __call__(self, metric: Metric, value: float, labels: tuple[str, ...]) -> None:
        """Add a value."""
        act = self._acts.get((metric, labels))
        if act is None:
            if metric not in self._families:
                return  # only a deployment reports it
            act = self._acts[metric, labels] = self._find(metric, labels)
        act(value)

    def look(self) -> None:
        """Read the gauges of this process, and store their values."""
        for (metric, labels), read in recording.samples().items():
            if metric not in self._gauges:
                self._gauges[metric] = self._gauge(
                    metric.full_name,
                    metric.help,
                    metric.labels,
                    registry=None,
                    multiprocess_mode="livesum",
                )
            gauge = self._gauges[metric]
            (gauge.labels(*labels) if labels else gauge).set(read())

    def _find(self, metric: Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
        family, own = self._families[metric], labels[: len(metric.labels)]
        child = family.labels(*own) if own else family
        act: Callable[[float], None] = child.inc if metric.kind is Kind.COUNTER else child.observe
        return act


def start() -> Recorder | None:
    """Install the recorder of this process, if the server has metrics.

    Returns:
        None, after a warning, if the disk has no room for the files.
    """
    if files.SETTING not in os.environ:
        return None
    try:
        files.reserve()
    except OSError as error:
        _logger.warning("This process counts nothing for /metrics: %s", error)
        return None
    recorder = Recorder()
    gauges.register()
    recording.install(recorder)
    return recorder


def start_worker() -> None:
    """Do as :func:`start`, and look at the gauges every few seconds."""
    recorder = start()
    if recorder is None:
        return

    def repeat() -> None:
        failed: type[Exception] | None = None
        while True:
            try:
                recorder.look()
            except Exception as error:  # the next look may succeed
                if failed is not type(error):
                    _logger.exception("The gauges of this process could not be read.")
                failed = type(error)
            else:
                failed = None
            time.sleep(_INTERVAL)

    threading.Thread(target=repeat, name="gauges", daemon=True).start()
