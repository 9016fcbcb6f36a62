"""What a metric is, and the name that each place gives it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "facedex_"
NAMESPACE: Final = "Facedex"  # in CloudWatch
# The dimension that every metric of a deployment has, unless it distinguishes functions.
DEPLOYMENT: Final = "Deployment"
FUNCTION: Final = "FunctionName"

_UNITS: Final = {"seconds": "Seconds", "bytes": "Bytes"}


class Kind(StrEnum):
    """Prometheus' type of a metric.

    ``counter``: a sum that only grows. ``histogram``: a number of values, their sum, and how many
    are at most as large as each bucket's bound. ``gauge``: a value that goes up and down.
    """

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Place(StrEnum):
    """Where a metric is reported: on one machine, by a deployment, or by both."""

    BOTH = "both"
    MACHINE = "machine"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A metric.

    Attributes:
        name: Prometheus' name without the prefix, with the base unit and ``_total`` at its end.
        kind: its type.
        help: one sentence for the reader of a graph.
        labels: names of the labels. Their values are from a small, fixed set: operations, stages,
            installed packs, never names or ids that callers choose.
        details: further labels that only CloudWatch receives, as dimensions.
        buckets: upper bounds of a histogram's buckets.
        place: where it is reported.
        dimension: the dimension that every series has in CloudWatch.
        always: whether a deployment reports it even if the setting ``metrics`` is off, as its
            alarms need it.
        instead: a metric of AWS that a deployment has in its place.
        span: name of the span that traces a timed step, with labels in braces.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    place: Place = Place.BOTH
    dimension: str = DEPLOYMENT
    always: bool = False
    instead: str = ""
    span: str = ""

    @property
    def full_name(self) -> str:
        """The name in Prometheus."""
        return PREFIX + self.name

    @property
    def cloudwatch(self) -> str:
        """The name in CloudWatch, where units are not part of the names of durations and sizes."""
        words = self.name.removesuffix("_total").split("_")
        if words[-1] in _UNITS and self.kind is not Kind.COUNTER:
            words = words[:-1]
        return "".join(word.capitalize() for word in words)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names of the labels in CloudWatch, those of ``details`` included."""
        return tuple(
            "".join(word.capitalize() for word in label.split("_"))
            for label in (*self.labels, *self.details)
        )

    @property
    def unit(self) -> str:
        """The unit in CloudWatch."""
        last = self.name.removesuffix("_total").split("_")[-1]
        return _UNITS.get(last, "Count")
