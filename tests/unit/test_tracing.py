"""Traces inside one process: when they are on, and what a span records."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from facedex.observability import metrics
from facedex.runtime.reporting import wants_traces
from facedex.runtime.tracing import OpenTelemetry

ENDPOINT = "http://127.0.0.1:4318"
# A module that is None cannot be imported.
PROGRAM = """
import sys
sys.modules["opentelemetry"] = None
from facedex.runtime import tracing
assert tracing.start_tracer() is None
"""


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> OpenTelemetry:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetry(provider.get_tracer("test"))


def ended(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{ENDPOINT}/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINT}, False),
        ({"OTEL_SERVICE_NAME": "door"}, False),
    ],
)
def test_standard_variables_switch_traces_on(environment: Mapping[str, str], wanted: bool) -> None:
    assert wants_traces(environment) is wanted


def test_without_the_extra_a_warning_says_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert "install facedex[otel]" in done.stderr


def test_a_receiver_that_is_down_is_reported_once_and_delays_no_end() -> None:
    program = """
from facedex.runtime import tracing
tracer, flush = tracing.start_tracer()
for _ in range(2):
    with tracer.entry("ListCollections", {}, message=False):
        pass
    flush()
"""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - began < 15  # with OpenTelemetry's own limit it would take 20 seconds
    (line,) = done.stderr.splitlines()
    assert "Spans are lost" in line


def test_steps_outside_of_a_request_and_in_a_pause_make_no_spans(
    tracer: OpenTelemetry, exporter: InMemorySpanExporter
) -> None:
    with tracer.span("alone", {}):
        pass
    with tracer.entry("IndexFaces", {}, message=False):
        with tracer.pause(), tracer.span("frame", {}):
            assert tracer.carrier() == {}
            tracer.annotate({"lost": 1})
        with tracer.span("decoding", {}):
            assert set(tracer.carrier()) == {"traceparent"}
    assert set(ended(exporter)) == {"IndexFaces", "decoding"}
    assert not ended(exporter)["IndexFaces"].attributes


def test_a_span_records_the_type_of_an_error_and_not_its_text(
    tracer: OpenTelemetry, exporter: InMemorySpanExporter
) -> None:
    with (
        pytest.raises(ValueError),
        tracer.entry("IndexFaces", {}, message=False),
        tracer.span("decoding", {"format": "JPEG"}),
    ):
        raise ValueError("a face that must not be sent")
    for span in ended(exporter).values():
        assert span.status.status_code is StatusCode.ERROR
        assert not span.status.description
        assert not span.events
    assert dict(ended(exporter)["decoding"].attributes or {}) == {
        "format": "JPEG",
        "error.type": "ValueError",
    }


@pytest.mark.parametrize(("status", "code"), [(400, StatusCode.UNSET), (500, StatusCode.ERROR)])
def test_only_an_error_of_the_server_is_an_error_of_its_span(
    tracer: OpenTelemetry, exporter: InMemorySpanExporter, status: int, code: StatusCode
) -> None:
    with tracer.entry(metrics.UNKNOWN, {}, message=False):
        tracer.annotate({"http.response.status_code": status})
    assert ended(exporter)[metrics.UNKNOWN].status.status_code is code


def test_spans_are_sent_by_http_whatever_protocol_is_set() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from facedex.runtime import tracing\ntracing.start_tracer()"],
        env={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traces are sent as http/protobuf; grpc is not supported." in done.stderr
