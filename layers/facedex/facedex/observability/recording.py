"""The seam: rooms report values and steps here, and what a process has installed receives them.

A recorder receives values of metrics; a tracer receives spans. Both are installed at the start of a
process. Without them, every function of this module returns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from time import perf_counter
from types import TracebackType
from typing import Final, ParamSpec, Protocol, TypeVar

from facedex.observability.definitions import Metric

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

Recorder = Callable[[Metric, float, tuple[str, ...]], None]
Attribute = str | int
Block = AbstractContextManager[object]

_OFF: Final = nullcontext()


class Tracer(Protocol):
    """Receives spans. A span that ends with an exception records its type, never its text."""

    def span(
        self, name: str, attributes: Mapping[str, Attribute], *, remote: bool = False
    ) -> Block:
        """Return a block that is a span; ``remote`` if it waits for another server."""
        ...

    def entry(self, name: str, carrier: Mapping[str, str], *, message: bool) -> Block:
        """Return a block that is the first span of this process for a request or a message."""
        ...

    def annotate(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes to the current span."""
        ...

    def pause(self) -> Block:
        """Return a block without spans."""
        ...

    def carrier(self) -> Mapping[str, str]:
        """Return the headers by which another process continues the current trace."""
        ...


class _Installed:
    """The recorders and the tracer of this process."""

    recorders: tuple[Recorder, ...] = ()
    tracer: Tracer | None = None


_here: Final = _Installed()
_samples: Final[dict[tuple[Metric, tuple[str, ...]], Callable[[], float]]] = {}


def install(*recorders: Recorder, tracer: Tracer | None = None) -> None:
    """Add recorders, and a tracer if there is one."""
    _here.recorders = (*_here.recorders, *recorders)
    _here.tracer = tracer or _here.tracer


def uninstall() -> None:
    """Remove all recorders, the tracer and the gauges."""
    _here.recorders, _here.tracer = (), None
    _samples.clear()


def record(metric: Metric, value: float = 1.0, *labels: str) -> None:
    """Record a value: the growth of a counter, or one value of a histogram.

    Args:
        metric: the metric.
        value: in the metric's unit.
        labels: values of its labels, in their order.
    """
    for recorder in _here.recorders:
        recorder(metric, value, labels)


def timed(metric: Metric, *labels: str) -> Block:
    """Return a block whose duration is recorded, and which is a span if the metric names one.

    Args:
        metric: a histogram of seconds.
        labels: values of its labels, in their order.
    """
    return _Timed(metric, labels) if _here.recorders or _here.tracer else _OFF


def timing(
    metric: Metric, *labels: str
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Return a decorator that records the duration of each call, as :func:`timed` does."""

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(function)
        def call(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
            with timed(metric, *labels):
                return function(*arguments, **named)

        return call

    return decorate


def tracing() -> bool:
    """Return whether there is a tracer."""
    return _here.tracer is not None


def span(name: str, *, remote: bool = False, **attributes: Attribute) -> Block:
    """Return a block that is a span, if it belongs to a request or a message.

    Args:
        name: of the step; one of few, so without ids.
        remote: whether the step waits for another server.
        attributes: facts about the step; no biometrics, bodies, credentials or ids.
    """
    return _here.tracer.span(name, attributes, remote=remote) if _here.tracer else _OFF


def entry(name: str, carrier: Mapping[str, str], *, message: bool = False) -> Block:
    """Return a block that is the span of a request or a message, in the trace of its sender.

    Args:
        name: the operation or the function.
        carrier: headers or attributes, by lower-case name; ``traceparent`` names the trace.
        message: whether it is a message of a queue.
    """
    return _here.tracer.entry(name, carrier, message=message) if _here.tracer else _OFF


def annotate(**attributes: Attribute) -> None:
    """Add facts to the current span."""
    if _here.tracer:
        _here.tracer.annotate(attributes)


def untraced() -> Block:
    """Return a block without spans, for steps that are repeated for each frame of a video."""
    return _here.tracer.pause() if _here.tracer else _OFF


def carrier() -> Mapping[str, str]:
    """Return the headers by which another process continues the current trace."""
    return _here.tracer.carrier() if _here.tracer else {}


def sample(metric: Metric, read: Callable[[], float], *labels: str) -> None:
    """Register a gauge of this process, whose value is read when it is needed.

    The values of all processes are added. A room that holds a resource calls this once, such as
    ``sample(metrics.GALLERY_BYTES, gallery.size)``.

    Args:
        metric: a gauge.
        read: returns the present value, without waiting.
        labels: values of its labels, in their order.
    """
    _samples[metric, labels] = read


def samples() -> Mapping[tuple[Metric, tuple[str, ...]], Callable[[], float]]:
    """Return the functions that read this process's gauges."""
    return dict(_samples)


class _Timed:
    """A block whose duration is recorded."""

    def __init__(self, metric: Metric, labels: tuple[str, ...]) -> None:
        self._metric, self._labels = metric, labels
        self._span: Block = _OFF
        if metric.span and _here.tracer:
            facts = dict(zip(metric.labels, labels, strict=True))
            self._span = _here.tracer.span(metric.span.format(**facts), facts)

    def __enter__(self) -> None:
        self._span.__enter__()
        self._started = perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        record(self._metric, perf_counter() - self._started, *self._labels)
        self._span.__exit__(kind, error, trace)
