"""Alarms and the dashboard."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk.aws_cloudwatch import (
    Alarm,
    ComparisonOperator,
    Dashboard,
    GraphWidget,
    IMetric,
    MathExpression,
    Metric,
    Stats,
    TreatMissingData,
)
from aws_cdk.aws_cloudwatch_actions import SnsAction
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from aws_cdk.aws_kms import Key
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_sns import ITopic, Topic
from aws_cdk.aws_sns_subscriptions import EmailSubscription
from constructs import Construct

from facedex.observability import definitions, metrics
from infra.constructs.api import Api
from infra.constructs.encryption import encrypt
from infra.constructs.watching import PERIOD, Watched
from infra.settings import StackSettings

_WIDTH, _ACROSS = 8, 3  # a dashboard has 24 columns


class Observability(Construct):
    """Alarms, and a dashboard of the same figures.

    Args:
        functions: functions whose faults no caller of the API sees, ten at most.
        parts: parts of the stack with figures and alarms of their own.
        entries: functions that answer callers of the API.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: StackSettings,
        api: Api,
        functions: Sequence[Function],
        parts: Sequence[Watched],
        entries: Sequence[Function],
    ) -> None:
        super().__init__(scope, name)
        self._functions = functions
        self._topic = self._make_topic(settings)
        rest = api.rest
        server_errors = rest.metric_server_error(period=PERIOD, statistic=Stats.SUM)
        errors = self._total("Errors")
        throttles = self._total("Throttles")
        self._alarm("ServerErrors", server_errors, 5, "The API answers with errors of its own.")
        self._alarm("FunctionErrors", errors, 5, "Functions end with an exception or a timeout.")
        self._alarm("Throttles", throttles, 1, "Lambda has no copies of functions to spare.")
        for watch in (each for part in parts for each in part.alarms):
            self._alarm(
                watch.name, watch.metric, watch.threshold, watch.meaning, periods=watch.periods
            )
        if settings.dashboard:
            rows: list[tuple[str, list[IMetric]]] = [
                (
                    "Requests",
                    [
                        rest.metric_count(period=PERIOD),
                        server_errors,
                        rest.metric_client_error(period=PERIOD, statistic=Stats.SUM),
                    ],
                ),
                (
                    "Answered in, ms",
                    [
                        rest.metric_latency(period=PERIOD, statistic=statistic)
                        for statistic in ("p50", "p99")
                    ],
                ),
                ("Functions", [errors, throttles]),
                *(row for part in parts for row in part.figures.items()),
                *(_of_functions(settings, [*entries, *functions]) if settings.metrics else ()),
            ]
            Dashboard(
                self,
                "Dashboard",
                dashboard_name=settings.stack,
                widgets=[
                    [
                        GraphWidget(title=title, left=metrics, width=_WIDTH)
                        for title, metrics in rows[i : i + _ACROSS]
                    ]
                    for i in range(0, len(rows), _ACROSS)
                ],
            )

    def _total(self, metric: str) -> MathExpression:
        each = {
            f"{metric.lower()}{number}": function.metric(metric, period=PERIOD, statistic=Stats.SUM)
            for number, function in enumerate(self._functions)
        }
        return MathExpression(
            expression="+".join(f"FILL({name}, 0)" for name in each),
            using_metrics=dict(each),
            label=metric,
            period=PERIOD,
        )

    def _alarm(
        self, name: str, metric: IMetric, threshold: float, meaning: str, periods: int = 1
    ) -> None:
        alarm = Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=TreatMissingData.NOT_BREACHING,
            alarm_description=meaning,
        )
        if self._topic:
            alarm.add_alarm_action(SnsAction(self._topic))

    def _make_topic(self, settings: StackSettings) -> ITopic | None:
        if settings.alarm_topic:
            return Topic.from_topic_arn(self, "Topic", settings.alarm_topic)
        if not settings.alarm_email:
            return None
        key = None if settings.kms_key else self._make_key(settings)
        topic = Topic(self, "Topic", master_key=key, enforce_ssl=True)
        encrypt(topic, settings)
        # The rule that requires TLS replaces SNS's own rule, which would admit CloudWatch.
        topic.add_to_resource_policy(
            PolicyStatement(
                principals=[ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        topic.add_subscription(EmailSubscription(settings.alarm_email))
        return topic

    def _make_key(self, settings: StackSettings) -> Key:
        """Create a key for the topic: CloudWatch may not use the one that AWS manages for SNS."""
        key = Key(
            self,
            "Key",
            description=f"Alarms of {settings.stack}",
            enable_key_rotation=True,
            pending_window=Duration.days(7),
            removal_policy=RemovalPolicy.DESTROY,
        )
        key.add_to_resource_policy(
            PolicyStatement(
                principals=[ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
            )
        )
        return key


def _of_functions(
    settings: StackSettings, functions: Sequence[Function]
) -> list[tuple[str, list[IMetric]]]:
    """Return the figures that the functions report themselves, with the setting ``metrics``."""

    def found(metric: definitions.Metric, statistic: str) -> list[IMetric]:
        """Find all series of this deployment, whatever their other dimensions are."""
        names = ",".join((definitions.NAMESPACE, metric.dimension, *metric.dimensions))
        terms = f'MetricName="{metric.cloudwatch}" {metric.dimension}="{settings.stack}"'
        search = f"SEARCH('{{{names}}} {terms}', '{statistic}')"
        return [MathExpression(expression=search, label="", period=PERIOD)]

    def by_function(metric: definitions.Metric, statistic: str) -> list[IMetric]:
        return [
            Metric(
                namespace=definitions.NAMESPACE,
                metric_name=metric.cloudwatch,
                dimensions_map={metric.dimension: function.function_name},
                period=PERIOD,
                statistic=statistic,
                label=function.node.id,
            )
            for function in functions
        ]

    return [
        ("Requests by operation and code", found(metrics.REQUESTS, Stats.SUM)),
        ("Requests answered in, seconds (p99)", found(metrics.REQUEST_DURATION, "p99")),
        ("Stages of an image, seconds (p99)", found(metrics.STAGE_DURATION, "p99")),
        ("Networks, seconds (p99)", found(metrics.INFERENCE_DURATION, "p99")),
        ("Searches, seconds (p99)", found(metrics.SEARCH_DURATION, "p99")),
        ("Cold starts", by_function(metrics.COLD_STARTS, Stats.SUM)),
        ("Memory used, bytes", by_function(metrics.MEMORY_USED, Stats.MAXIMUM)),
    ]
