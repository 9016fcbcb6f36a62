"""Metrics of functions, in CloudWatch's embedded metric format."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from facedex import invocation

NAMESPACE: Final = "Facedex"


def record_metric(
    name: str, value: float, unit: MetricUnit = MetricUnit.Count, **dimensions: str
) -> None:
    """Write one value of a metric to standard output, which Lambda forwards to CloudWatch.

    Args:
        name: of the metric.
        value: in ``unit``.
        unit: of the value.
        dimensions: besides ``FunctionName``, which distinguishes the deployments in one account.
    """
    with single_metric(name, unit, value, namespace=NAMESPACE) as metric:
        for dimension, text in {"FunctionName": invocation.function(), **dimensions}.items():
            metric.add_dimension(dimension, text)
