"""Alarms and figures that parts of the stack define."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import IMetric, MathExpression, Stats
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_sqs import Queue

PERIOD: Final = Duration.minutes(5)


@dataclass(frozen=True, slots=True)
class Watch:
    """An alarm.

    Attributes:
        metric: metric that raises the alarm at the threshold or more for so many periods.
        meaning: one sentence for the person who is alerted.
    """

    name: str
    metric: IMetric
    threshold: float
    meaning: str
    periods: int = 1


@dataclass(frozen=True, slots=True)
class Watched:
    """A part of the stack, as its operators see it.

    Attributes:
        figures: its figures on the dashboard, by title.
    """

    alarms: tuple[Watch, ...]
    figures: Mapping[str, list[IMetric]]


def waiting(queue: Queue, label: str | None = None, statistic: str = Stats.MAXIMUM) -> IMetric:
    """Return the number of messages that wait in a queue."""
    return queue.metric_approximate_number_of_messages_visible(
        period=PERIOD, statistic=statistic, label=label
    )


def watch_dead_letters(title: str, dead_letters: Queue) -> Watch:
    """Return the alarm for messages that failed too often."""
    meaning = f"{title}: something can never work."
    return Watch(f"{title}DeadLetters", waiting(dead_letters), 1, meaning)


def watch_queue(title: str, queue: Queue, dead_letters: Queue) -> Watched:
    """Return a part whose messages may wait without an alarm."""
    return Watched(
        (watch_dead_letters(title, dead_letters),),
        {title: [waiting(queue, "waiting"), waiting(dead_letters, "dead letters")]},
    )


def watch_events(functions: Sequence[Function]) -> Watched:
    """Return the alarm for events that functions without a queue have not handled.

    Lambda repeats such an event twice within minutes, and drops it then. A sweep that fails every
    hour therefore ends with three errors at a time, which are too few for the alarm on errors.
    """
    dropped = {
        f"dropped{number}": function.metric(
            "AsyncEventsDropped", period=PERIOD, statistic=Stats.SUM
        )
        for number, function in enumerate(functions)
    }
    total = MathExpression(
        expression="+".join(f"FILL({name}, 0)" for name in dropped),
        using_metrics=dict(dropped),
        label="dropped events",
        period=PERIOD,
    )
    meaning = "A function that events start, such as the sweep, has failed in all its attempts."
    return Watched((Watch("EventsDropped", total, 1, meaning),), {})
