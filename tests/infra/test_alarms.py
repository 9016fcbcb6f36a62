"""Alarms on requests that are refused."""

from __future__ import annotations

import json
from typing import Any, Final

from facedex.observability import metrics
from facedex.observability.definitions import NAMESPACE
from facedex.runtime import refusals
from tests.infra.synthesis import Properties, Synthesis

_REFUSED: Final = "signature or permission"


def _alarm(found: Synthesis, words: str) -> Properties:
    (alarm,) = [
        each
        for each in found.resources("AWS::CloudWatch::Alarm").values()
        if words in each["AlarmDescription"]
    ]
    return alarm


def _metrics(alarm: Properties) -> dict[str, Properties]:
    """Return the metrics of an alarm on an expression, by their ids in it."""
    return {
        each["Id"]: each["MetricStat"]["Metric"]
        for each in alarm["Metrics"]
        if "MetricStat" in each
    }


def test_refused_signatures_raise_an_alarm(synthesis: Synthesis) -> None:
    alarm = _alarm(synthesis, _REFUSED)
    metric = _metrics(alarm)
    stack = synthesis.path.name.removesuffix(".template.json")
    assert metric["functions"] == {
        "Namespace": NAMESPACE,
        "MetricName": refusals.METRIC,
        "Dimensions": [{"Name": refusals.DIMENSION, "Value": stack}],
    }
    for function in synthesis.functions.values():
        assert function["Environment"]["Variables"]["FACEDEX_DEPLOYMENT"] == stack
    (counted,) = [
        each
        for each in synthesis.resources("AWS::Logs::MetricFilter").values()
        for transformation in each["MetricTransformations"]
        if transformation["MetricName"] == metric["gateway"]["MetricName"]
        and transformation["MetricNamespace"] == metric["gateway"]["Namespace"]
    ]
    assert '$.error = "INVALID_SIGNATURE"' in counted["FilterPattern"]
    assert "THROTTLED" not in counted["FilterPattern"]


def test_metric_filters_read_a_member_that_the_access_log_has(synthesis: Synthesis) -> None:
    (stage,) = synthesis.resources("AWS::ApiGateway::Stage").values()
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert logged["error"] == "$context.error.responseType"
    kinds = {
        each["ResponseType"]
        for each in synthesis.resources("AWS::ApiGateway::GatewayResponse").values()
    }
    filters = synthesis.resources("AWS::Logs::MetricFilter").values()
    assert len(filters) == 2
    for each in filters:
        named = set(each["FilterPattern"].split('"')[1::2])
        assert named
        assert named <= kinds
        assert each["FilterPattern"].count("$.error = ") == len(named)
        (log,) = [
            name
            for name, group in synthesis.resources("AWS::Logs::LogGroup").items()
            if group["LogGroupName"].startswith("/aws/apigateway/")
        ]
        assert each["LogGroupName"] == {"Ref": log}


def test_throttled_requests_raise_an_alarm(synthesis: Synthesis) -> None:
    alarm = _alarm(synthesis, "rate and burst")
    (metric,) = _metrics(alarm).values()
    (counted,) = [
        each
        for each in synthesis.resources("AWS::Logs::MetricFilter").values()
        if each["MetricTransformations"][0]["MetricName"] == metric["MetricName"]
        and each["MetricTransformations"][0]["MetricNamespace"] == metric["Namespace"]
    ]
    assert '"THROTTLED"' in counted["FilterPattern"]
    assert alarm["TreatMissingData"] == "notBreaching"


def test_many_errors_of_callers_raise_an_alarm(synthesis: Synthesis) -> None:
    alarm = _alarm(synthesis, "half of the API")
    names = {each["MetricName"] for each in _metrics(alarm).values()}
    assert names == {"4XXError", "Count"}
    assert alarm["Threshold"] == 50


def test_the_firewalls_refusals_raise_an_alarm(synthesis_of: Any) -> None:
    found = synthesis_of("keys")
    alarm = _alarm(found, "firewall refuses")
    (acl,) = found.resources("AWS::WAFv2::WebACL").values()
    (metric,) = _metrics(alarm).values()
    assert (metric["Namespace"], metric["MetricName"]) == ("AWS/WAFV2", "BlockedRequests")
    assert {each["Name"]: each["Value"] for each in metric["Dimensions"]} == {
        "Region": {"Ref": "AWS::Region"},
        "Rule": "ALL",
        "WebACL": acl["VisibilityConfig"]["MetricName"],
    }
    assert acl["Name"] == acl["VisibilityConfig"]["MetricName"]
    described = json.dumps(synthesis_of("default").resources("AWS::CloudWatch::Alarm"))
    assert "firewall" not in described


def test_a_sweep_or_a_report_that_fails_in_all_attempts_raises_an_alarm(
    synthesis_of: Any,
) -> None:
    """Its three errors are too few for the alarm on errors."""
    for name, expected in (("default", ["sweep"]), ("full", ["report_bulk", "sweep"])):
        found = synthesis_of(name)
        alarm = _alarm(found, "all its attempts")
        assert alarm["Threshold"] == 1
        watched = _metrics(alarm).values()
        assert {(each["Namespace"], each["MetricName"]) for each in watched} == {
            ("AWS/Lambda", "AsyncEventsDropped")
        }
        names = [
            found.functions[each["Dimensions"][0]["Value"]["Ref"]]["FunctionName"]
            for each in watched
        ]
        assert sorted(each.rsplit("-", 1)[-1] for each in names) == expected


def test_every_alarm_reaches_the_topic(synthesis_of: Any) -> None:
    for alarm in synthesis_of("full").resources("AWS::CloudWatch::Alarm").values():
        assert len(alarm["AlarmActions"]) == 1


def test_the_dashboard_shows_the_functions_own_metrics_with_the_setting(synthesis_of: Any) -> None:
    def shown(name: str) -> str:
        (board,) = synthesis_of(name).resources("AWS::CloudWatch::Dashboard").values()
        return json.dumps(board)

    for metric in (metrics.REQUESTS, metrics.REQUEST_DURATION, metrics.SEARCH_DURATION):
        names = ",".join((NAMESPACE, metric.dimension, *metric.dimensions))
        assert f"{{{names}}}" in shown("full")
        assert f"{{{names}}}" not in shown("default")
    for metric in (metrics.COLD_STARTS, metrics.MEMORY_USED):
        assert metric.cloudwatch in shown("full")
        assert metric.cloudwatch not in shown("default")
