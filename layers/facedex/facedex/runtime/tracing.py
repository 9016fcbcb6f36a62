"""Traces with OpenTelemetry, which the extra ``otel`` installs.

Spans have names of operations, functions, stages, networks and tables, statuses and error codes.
They have no biometrics, bodies, parameters, credentials, and no ids of faces or collections; the
text of an error, which may contain some, is left out too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final

from facedex import __version__
from facedex.observability.recording import Attribute
from facedex.runtime.logs import SERVICE, get_logger

try:
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError:
    _installed = False
else:
    _installed = True

_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP: Final = "http/protobuf"
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
# Seconds for sending, unless a variable says otherwise. A function sends before it ends, and
# OpenTelemetry's own ten seconds would delay the response if the receiver is down.
_PATIENCE: Final = 2.0

# Whether steps are traced here. Work that belongs to no request, such as the sweep, and the frames
# of a video would make traces without end.
_inside: Final[ContextVar[bool]] = ContextVar("inside a traced request", default=False)

_logger: Final = get_logger(__name__)


def start_tracer() -> tuple[OpenTelemetry, Callable[[], None]] | None:
    """Return the tracer of this process, and a function that sends the spans that are due.

    Returns:
        None, after a warning, if OpenTelemetry is not installed.
    """
    if not _installed:
        _logger.warning(
            "Traces are off: OTEL_* variables ask for them, but OpenTelemetry is not installed;"
            " install facedex[otel]."
        )
        return None
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), _HTTP)
    if protocol != _HTTP:
        _logger.warning("Traces are sent as %s; %s is not supported.", _HTTP, protocol)
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
    resource = Resource.create({**named, "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    # Imported here, as a process without traces may need no boto3.
    from facedex.aws import tracing

    tracing.install()
    return OpenTelemetry(provider.get_tracer(SERVICE, __version__)), _flusher(provider)


def _exporter() -> OTLPSpanExporter:
    class Exporter(OTLPSpanExporter):
        """Logs the first of several failures."""

        failing = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            failing = result is not SpanExportResult.SUCCESS
            if failing and not self.failing:
                _logger.warning(
                    "Spans are lost until the receiver of traces that OTEL_EXPORTER_OTLP_ENDPOINT"
                    " names accepts them."
                )
            self.failing = failing
            return result

    # It logs several lines for each attempt.
    logging.getLogger(OTLPSpanExporter.__module__).setLevel(logging.CRITICAL)
    chosen = any(os.environ.get(name) for name in _TIMEOUTS)
    return Exporter(timeout=None if chosen else _PATIENCE)


def _flusher(provider: TracerProvider) -> Callable[[], None]:
    def flush() -> None:
        provider.force_flush()

    return flush


class OpenTelemetry:
    """A tracer of :mod:`facedex.observability.recording` that creates OpenTelemetry's spans."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(
        self, name: str, attributes: Mapping[str, Attribute], *, remote: bool = False
    ) -> Iterator[None]:
        """Open a span, if it belongs to a request or a message."""
        if not _inside.get():
            yield
            return
        kind = SpanKind.CLIENT if remote else SpanKind.INTERNAL
        with self._open(name, kind=kind, attributes=attributes):
            yield

    @contextmanager
    def entry(self, name: str, carrier: Mapping[str, str], *, message: bool) -> Iterator[None]:
        """Open the span of a request or a message, as a child of its sender's span."""
        kind = SpanKind.CONSUMER if message else SpanKind.SERVER
        before = _inside.set(True)
        try:
            with self._open(name, kind=kind, context=propagate.extract(carrier)):
                yield
        finally:
            _inside.reset(before)

    def annotate(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes to the current span."""
        if not _inside.get():
            return
        span = trace.get_current_span()
        span.set_attributes(dict(attributes))
        status = attributes.get("http.response.status_code", 0)
        if isinstance(status, int) and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Open no spans while the block runs."""
        before = _inside.set(False)
        try:
            yield
        finally:
            _inside.reset(before)

    def carrier(self) -> Mapping[str, str]:
        """Return the headers of the current trace; none outside of a traced request."""
        headers: dict[str, str] = {}
        if _inside.get():
            propagate.inject(headers)
        return headers

    @contextmanager
    def _open(
        self,
        name: str,
        *,
        kind: SpanKind,
        attributes: Mapping[str, Attribute] | None = None,
        context: Context | None = None,
    ) -> Iterator[None]:
        opened: AbstractContextManager[trace.Span] = self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )
        with opened as span:
            try:
                yield
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__name__)
                raise
