"""The definitions of metrics, the seam, and what a process imports for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facedex.observability import metrics, recording
from facedex.observability.definitions import Kind, Metric, Place
from facedex.observability.metrics import METRICS
from facedex_local.metrics.reference import table
from tests.integration.observing import Receiver

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"

# Runs the front door in a process of its own, as Lambda does, and prints the modules it loaded.
PROGRAM = """
import json, os, sys
from facedex_functions.front_door.handler import lambda_handler
from facedex_local.http.gateway import Context

for target in ("ListCollections", "Nothing", "Nothing"):
    event = {
        "headers": {"x-amz-target": f"RekognitionService.{target}"},
        "body": "{}",
        "requestContext": {"identity": {}},
    }
    lambda_handler(event, Context("facedex-test-front_door", 29, 1769, "request"))
print(json.dumps(sorted(sys.modules)), flush=True)
os._exit(0)  # without the work that Python does at its end, as when Lambda freezes a process
"""
SETTINGS = {
    "FACEDEX_DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "FACEDEX_MODELS": "/none",
    "FACEDEX_AUTH": "iam",
    "AWS_REGION": "us-east-1",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}

# The JSON schema of CloudWatch's embedded metric format, from its specification:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
# CloudWatch_Embedded_Metric_Format_Specification.html
UNITS = (
    "^(Seconds|Microseconds|Milliseconds|Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits"
    "|Kilobits|Megabits|Gigabits|Terabits|Percent|Count|Bytes\\/Second|Kilobytes\\/Second"
    "|Megabytes\\/Second|Gigabytes\\/Second|Terabytes\\/Second|Bits\\/Second|Kilobits\\/Second"
    "|Megabits\\/Second|Gigabits\\/Second|Terabits\\/Second|Count\\/Second|None)$"
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 0,
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": {
                                            "type": "string",
                                            "minLength": 1,
                                            "maxLength": 1024,
                                        },
                                        "Unit": {"type": "string", "pattern": UNITS},
                                        "StorageResolution": {"type": "integer"},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def run(**environment: str) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the lines that a function writes for three requests, and the modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**SETTINGS, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    # Not from stderr, to which the pool's thread writes that the database does not answer.
    *lines, modules = (json.loads(line) for line in done.stdout.splitlines())
    return lines, set(modules)


@pytest.fixture(autouse=True)
def no_recorders() -> Any:
    yield
    recording.uninstall()


def test_a_deployments_lines_follow_cloudwatchs_schema() -> None:
    from jsonschema import validate

    lines, _ = run(FACEDEX_DEPLOYMENT="facedex-test", FACEDEX_METRICS="true")
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for line in lines:
        validate(line, SCHEMA)
        (described,) = line["_aws"]["CloudWatchMetrics"]
        assert described["Namespace"] == "Facedex"
        for dimension in described["Dimensions"][0]:
            assert isinstance(line[dimension], str)
        for metric in described["Metrics"]:
            assert all(isinstance(each, float) for each in line[metric["Name"]])
            found.setdefault((metric["Name"], *described["Dimensions"][0]), []).append(line)
    (start,) = found["ColdStart", "function_name"]  # of three invocations
    assert start["function_name"] == "facedex-test-front_door"
    requests = found["Requests", "Deployment", "Operation", "Status", "Code"]
    assert [(each["Operation"], each["Code"], each["Requests"]) for each in requests] == [
        ("ListCollections", "MissingAuthenticationTokenException", [1.0]),
        ("unknown", "MissingAuthenticationTokenException", [1.0]),
        ("unknown", "MissingAuthenticationTokenException", [1.0]),
    ]
    assert {each["Deployment"] for each in requests} == {"facedex-test"}
    assert len(found["RequestDuration", "Deployment", "Operation"]) == 3
    memory = found["MemoryUsed", "FunctionName"]
    assert all(10e6 < each["MemoryUsed"][0] < 10e9 for each in memory)
    defined = {metric.cloudwatch for metric in METRICS if metric.place is not Place.MACHINE}
    assert {name for name, *_ in found} <= defined


def test_without_the_settings_nothing_is_written_or_imported() -> None:
    lines, modules = run()
    assert lines == []
    for package in ("facedex.runtime.metrics", "opentelemetry", "prometheus_client", "boto3"):
        assert package not in modules


def test_a_function_sends_its_spans_before_lambda_freezes_it() -> None:
    receiver = Receiver()
    run(
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_BSP_SCHEDULE_DELAY="600000",
        AWS_LAMBDA_FUNCTION_NAME="facedex-test-front_door",
    )
    receiver.close()
    assert [span.name for span in receiver.spans if not span.parent_span_id] == [
        "ListCollections",
        "unknown",
        "unknown",
    ]


def test_metrics_are_named_as_prometheus_and_cloudwatch_advise() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"facedex(_[a-z]+)+", metric.full_name)
        assert re.fullmatch(r"([A-Z][a-z]+)+", metric.cloudwatch)
        assert metric.help.endswith(".")
        assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)
        assert list(metric.buckets) == sorted(metric.buckets)
        if metric.kind is Kind.HISTOGRAM:
            assert metric.name.endswith("_seconds")
        if metric.kind is Kind.COUNTER and metric.place is not Place.DEPLOYMENT:
            assert metric.name.endswith("_total")
        if metric.kind is Kind.GAUGE:
            assert not metric.name.endswith("_total")
    assert metrics.REQUEST_DURATION.cloudwatch == "RequestDuration"
    assert metrics.REQUEST_DURATION.unit == "Seconds"
    assert metrics.STREAM_SKIPPED.cloudwatch == "StreamSkippedSeconds"
    assert metrics.STREAM_SKIPPED.dimensions == ("StreamProcessor",)


def test_the_page_lists_every_metric_as_it_is_defined() -> None:
    assert table() in PAGE.read_text("utf-8")


def test_a_step_that_fails_is_timed_too() -> None:
    seen: list[tuple[Metric, float, tuple[str, ...]]] = []
    recording.install(lambda *value: seen.append(value))

    @recording.timing(metrics.STAGE_DURATION, "decoding")
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    ((metric, seconds, labels),) = seen
    assert (metric, labels) == (metrics.STAGE_DURATION, ("decoding",))
    assert 0 <= seconds < 60


def test_a_room_registers_a_gauge_of_its_own() -> None:
    recording.sample(metrics.PACKS_LOADED, lambda: 3.0)
    assert recording.samples()[metrics.PACKS_LOADED, ()]() == 3.0
