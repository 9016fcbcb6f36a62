"""The metrics of a deployment, in CloudWatch's embedded metric format.

Lambda forwards standard output to CloudWatch, which extracts the metrics from these lines.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from threading import Lock
from time import monotonic
from typing import Any, Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit, single_metric

from facedex import invocation
from facedex.observability import metrics, recording
from facedex.observability.definitions import FUNCTION, NAMESPACE, Kind, Metric, Place

# Seconds after which values are written while an invocation still runs: a stream's worker takes
# fourteen minutes.
_LONGEST: Final = 60.0
# ru_maxrss is in kibibytes on Linux, and in bytes on macOS.
_MEMORY_UNIT: Final = 1 if sys.platform == "darwin" else 1024

# Names and values of the dimensions that a group of metrics has in common.
_Group = tuple[tuple[str, str], ...]


def record_metric(metric: Metric, value: float, *labels: str) -> None:
    """Record a metric that a deployment always has, and write it at once.

    Args:
        metric: a metric with ``always``.
        value: in the metric's unit.
        labels: values of its labels and details, in their order.
    """
    recording.record(metric, value, *labels)
    unit = MetricUnit(metric.unit)
    with single_metric(metric.cloudwatch, unit, value, namespace=NAMESPACE) as written:
        for name, text in _dimensions(metric, labels, ""):
            written.add_dimension(name, text)


class CloudWatch:
    """A recorder that writes a line for each group of dimensions when an invocation ends.

    Args:
        deployment: name of the deployment.
    """

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._groups: dict[_Group, dict[Metric, list[float]]] = defaultdict(dict)
        self._lock = Lock()  # a stream's worker has several threads
        self._since = monotonic()
        self._cold = True

    def __call__(self, metric: Metric, value: float, labels: tuple[str, ...]) -> None:
        """Keep a value for the next lines."""
        if metric.place is Place.MACHINE or metric.always:
            return
        with self._lock:
            group = self._groups[_dimensions(metric, labels, self._deployment)]
            values = group.setdefault(metric, [])
            if metric.kind is Kind.COUNTER and values:
                values[0] += value
            else:
                values.append(value)
            late = monotonic() - self._since > _LONGEST
        if late:
            self.write()

    def finish(self, context: Any) -> None:
        """Write the lines of an invocation, with the memory used and a copy's first start.

        Args:
            context: Lambda's context object of the invocation.
        """
        if self._cold:
            self._cold = False
            EphemeralMetrics(namespace=NAMESPACE).add_cold_start_metric(context)
        self(metrics.MEMORY_USED, _memory(), ())
        self.write()

    def write(self) -> None:
        """Write the values that are not written yet."""
        with self._lock:
            groups, self._groups = self._groups, defaultdict(dict)
            self._since = monotonic()
        for dimensions, values in groups.items():
            lines = EphemeralMetrics(namespace=NAMESPACE)
            for name, text in dimensions:
                lines.add_dimension(name, text)
            for metric, numbers in values.items():
                for number in numbers:
                    lines.add_metric(metric.cloudwatch, metric.unit, number)
            if lines.metric_set:  # it writes a full set by itself
                lines.flush_metrics()


def _dimensions(metric: Metric, labels: tuple[str, ...], deployment: str) -> _Group:
    of_function = metric.dimension == FUNCTION
    common = (metric.dimension, invocation.function() if of_function else deployment)
    return (common, *zip(metric.dimensions, labels, strict=True))


def _memory() -> int:
    import resource  # which Windows does not have

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MEMORY_UNIT
