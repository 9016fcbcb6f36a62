"""The table of all metrics for docs/observability.md: ``python -m facedex_local.metrics``."""

from __future__ import annotations

from facedex.observability.definitions import Metric, Place
from facedex.observability.metrics import METRICS

_HEAD = ("metric on one machine", "labels", "type", "metric in CloudWatch", "dimensions", "meaning")


def table() -> str:
    """Return the table in Markdown."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *map(_row, METRICS)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(metric: Metric) -> tuple[str, ...]:
    here = metric.place is not Place.DEPLOYMENT
    there = metric.place is not Place.MACHINE
    unit = f", {metric.unit}" if metric.unit != "Count" else ""
    return (
        f"`{metric.full_name}`" if here else "–",
        _code(metric.labels) if here else "–",
        metric.kind.value,
        f"`{metric.cloudwatch}`{unit}" if there else metric.instead or "–",
        _code((metric.dimension, *metric.dimensions)) if there else "–",
        metric.help + (" Always." if metric.always else ""),
    )


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"
