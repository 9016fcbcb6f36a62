"""Alarms and figures that parts of the stack define."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import IMetric, Stats
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
