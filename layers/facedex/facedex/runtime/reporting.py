"""What a process reports about its work: it starts with the first invocation, as settings say.

The modules with dependencies of their own are imported only if a setting asks for them, so that
they do not slow a cold start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from facedex import invocation
from facedex.observability import recording
from facedex.setting_reader import SettingError
from facedex.settings import settings

if TYPE_CHECKING:
    from facedex.runtime.metrics import CloudWatch

# The standard variables that name a receiver of traces.
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class _Reporting:
    """What this process has started."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.started = False
        self.cloudwatch: CloudWatch | None = None
        self.flush: Callable[[], None] | None = None


_reporting: Final = _Reporting()


@contextmanager
def under(context: Any) -> Iterator[None]:
    """Register an invocation while the block runs, and then send what it has reported.

    Args:
        context: Lambda's context object.
    """
    start()
    try:
        with invocation.under(context):
            try:
                yield
            finally:
                if _reporting.cloudwatch:
                    _reporting.cloudwatch.finish(context)
    finally:
        # Lambda freezes the process after the response; elsewhere a thread sends the spans.
        if _reporting.flush and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
            _reporting.flush()


def start() -> None:
    """Install the recorder and the tracer that the settings ask for, once in a process."""
    if _reporting.started:
        return
    with _reporting.lock:
        if _reporting.started:
            return
        try:
            current = settings()
        except SettingError:
            return  # the request itself reports it
        if current.deployment and current.metrics:
            from facedex.runtime.metrics import CloudWatch

            _reporting.cloudwatch = CloudWatch(current.deployment)
            recording.install(_reporting.cloudwatch)
        if wants_traces(os.environ):
            from facedex.runtime.tracing import start_tracer

            if started := start_tracer():
                tracer, _reporting.flush = started
                recording.install(tracer=tracer)
        _reporting.started = True


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Return whether OpenTelemetry's standard variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    return exporter == "otlp" or (
        not exporter and any(environment.get(name) for name in _ENDPOINTS)
    )


def stop() -> None:
    """Send the spans that are not sent yet; for the end of a process."""
    if _reporting.flush:
        _reporting.flush()
