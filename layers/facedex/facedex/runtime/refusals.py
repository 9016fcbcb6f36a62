"""The metric of requests that are refused because of their signature or their caller's permission.

A deployment has alarms on it. It has a dimension of its own, because an alarm cannot add up the
metrics of all functions.
"""

from __future__ import annotations

from typing import Final

from facedex.api import errors
from facedex.observability import metrics
from facedex.observability.definitions import NAMESPACE
from facedex.settings import settings

METRIC: Final = metrics.REQUESTS_REFUSED.cloudwatch
DIMENSION: Final = metrics.REQUESTS_REFUSED.dimension

_REFUSALS: Final = (
    errors.AccessDeniedException,
    errors.IncompleteSignatureException,
    errors.InvalidSignatureException,
    errors.MissingAuthenticationTokenException,
    errors.UnrecognizedClientException,
)


def is_refusal(error: errors.ServiceError) -> bool:
    """Return whether an error refuses the caller."""
    return isinstance(error, _REFUSALS)


def count_refusal(error: errors.ServiceError) -> None:
    """Count an error, if it refuses the caller and the process belongs to a deployment.

    Args:
        error: the response to a request. Its name is recorded; its message, which can contain the
            id of an access key, is not.
    """
    if not is_refusal(error) or not settings().deployment:
        return
    # Imported here, as most functions record no metric, and the import slows a cold start.
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(METRIC, MetricUnit.Count, 1, namespace=NAMESPACE) as metric:
        metric.add_dimension(DIMENSION, settings().deployment)
        metric.add_metadata("error", error.code)
