"""Alarms on requests that the API refuses: without a valid signature, or too many.

API Gateway's own metrics count these among all errors of callers. Its access log has the reason,
and the functions report what they refuse themselves.
"""

from __future__ import annotations

from typing import Final

from aws_cdk.aws_cloudwatch import MathExpression, Metric, Stats
from aws_cdk.aws_logs import FilterPattern, MetricFilter

from facedex.observability.definitions import NAMESPACE
from facedex.runtime.refusals import DIMENSION, METRIC
from infra.constructs.api import Api
from infra.constructs.watching import PERIOD, Watch, Watched
from infra.settings import StackSettings

# API Gateway's names of its responses, in the access log; see infra/constructs/responses.py.
_REFUSED: Final = (
    "ACCESS_DENIED",
    "EXPIRED_TOKEN",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "UNAUTHORIZED",
)
_THROTTLED: Final = ("THROTTLED", "QUOTA_EXCEEDED")
_MANY: Final = 100  # requests in five minutes
_FEW: Final = 100  # requests in five minutes, of which a share says little
_MOST: Final = 50.0  # percent


def watch_refusals(api: Api, settings: StackSettings) -> Watched:
    """Return the alarms and the figures of refused requests."""
    at_the_gateway = _count(api, settings, "GatewayRefused", _REFUSED)
    by_functions = Metric(
        namespace=NAMESPACE,
        metric_name=METRIC,
        dimensions_map={DIMENSION: settings.stack},
        period=PERIOD,
        statistic=Stats.SUM,
    )
    refused = MathExpression(
        expression="FILL(gateway, 0) + FILL(functions, 0)",
        using_metrics={"gateway": at_the_gateway, "functions": by_functions},
        label="refused",
        period=PERIOD,
    )
    throttled = _count(api, settings, "GatewayThrottled", _THROTTLED)
    errors = api.rest.metric_client_error(period=PERIOD, statistic=Stats.SUM)
    share = MathExpression(
        expression=f"IF(FILL(requests, 0) >= {_FEW}, 100 * FILL(errors, 0) / requests, 0)",
        using_metrics={
            "errors": errors,
            "requests": api.rest.metric_count(period=PERIOD, statistic=Stats.SUM),
        },
        label="errors of callers, %",
        period=PERIOD,
    )
    return Watched(
        (
            Watch(
                "Refused",
                refused,
                _MANY,
                "Many requests without a valid signature or permission: from an attacker, or from a"
                " caller that has the wrong key.",
            ),
            Watch(
                "Throttled",
                throttled,
                _MANY,
                "The API refuses requests above the settings rate and burst.",
            ),
            Watch(
                "CallerErrors",
                share,
                _MOST,
                "More than half of the API's answers are errors of callers.",
            ),
        ),
        {"Refused": [refused, throttled]},
    )


def _count(api: Api, settings: StackSettings, name: str, kinds: tuple[str, ...]) -> Metric:
    """Return the number of requests that API Gateway answered itself in certain ways."""
    counted = MetricFilter(
        api,
        name,
        log_group=api.log,
        filter_pattern=FilterPattern.any(
            *(FilterPattern.string_value("$.error", "=", kind) for kind in kinds)
        ),
        metric_namespace=f"{NAMESPACE}/{settings.stack}",
        metric_name=name,
        metric_value="1",
    )
    return counted.metric(period=PERIOD, statistic=Stats.SUM, label=name)
