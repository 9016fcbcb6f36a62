"""The queue that starts workers for stream processors, and what the workers may read and write.

A worker reads a stream for about fourteen minutes and sends the message for its successor itself.
When a worker dies, the sweep notices and sends a message at once. The message of the dead worker is
delivered again much later; another worker has the lease by then, so it does nothing. Messages
therefore need not outlive what they start.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import Stack
from aws_cdk.aws_cloudwatch import Metric, Stats
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_lambda import Function
from constructs import Construct

from facedex.observability import definitions, metrics
from infra.constructs.queues import queue_with_dead_letters, work_off
from infra.constructs.watching import PERIOD, Watch, Watched, waiting, watch_dead_letters
from infra.settings import StackSettings

# Lambda accepts no queue whose messages are delivered again before the function's timeout.
_SPARE: Final = 60  # seconds
_WAIT: Final = 300  # seconds that a message may wait for a worker before an alarm


class StreamWork(Construct):
    """A queue, with as many copies of the worker as the setting allows."""

    def __init__(self, scope: Construct, name: str, settings: StackSettings, timeout: int) -> None:
        super().__init__(scope, name)
        self._settings = settings
        self._visibility = timeout + _SPARE
        self.queue, self.dead_letters = queue_with_dead_letters(
            self, settings, timeout=timeout, visibility=self._visibility
        )

    def attach(self, function: Function) -> None:
        """Invoke a function from the queue, and allow it to use the streams of the settings."""
        work_off(self.queue, function, concurrency=self._settings.streams_concurrency)
        reading = ["kinesisvideo:GetDataEndpoint", "kinesisvideo:GetMedia"]
        for actions, streams in (
            (reading, self._settings.video_streams),
            (["kinesis:PutRecords"], self._settings.data_streams),
        ):
            function.add_to_role_policy(PolicyStatement(actions=actions, resources=list(streams)))
        # For a stream's ARN, SDKs use a host name with the account in it; AWS does not document
        # that the interface endpoint serves that name.
        stack = Stack.of(self)
        function.add_environment(
            "AWS_ENDPOINT_URL_KINESIS", f"https://kinesis.{stack.region}.{stack.url_suffix}"
        )

    def admit(self, function: Function) -> None:
        """Allow a function to send messages that start a worker."""
        self.queue.grant_send_messages(function)
        function.add_environment("FACEDEX_STREAM_QUEUE", self.queue.queue_url)

    def watched(self, sweep: Function) -> Watched:
        """Return the alarms and the figures of the streams.

        Args:
            sweep: function that reports how many processors run and have failed.
        """
        oldest = self.queue.metric_approximate_age_of_oldest_message(
            period=PERIOD, statistic=Stats.MAXIMUM
        )
        working = self.queue.metric_approximate_number_of_messages_not_visible(
            period=PERIOD, statistic=Stats.MAXIMUM, label="in work"
        )
        active = _reported_by(metrics.STREAMS_ACTIVE, sweep)
        failed = _reported_by(metrics.STREAMS_FAILED, sweep)
        queued = waiting(self.queue, "waiting")
        dead = waiting(self.dead_letters, "dead letters")
        return Watched(
            (
                watch_dead_letters("Streams", self.dead_letters),
                Watch(
                    "StreamsFailed",
                    failed,
                    1,
                    "A stream processor has failed; DescribeStreamProcessor says why.",
                ),
                Watch(
                    "StreamsWaiting",
                    # The minimum over ten minutes, so that a stream that is being handed over does
                    # not count.
                    waiting(self.queue, statistic=Stats.MINIMUM),
                    1,
                    "More stream processors run than streams_concurrency has workers for.",
                    periods=2,
                ),
                Watch(
                    "StreamsOldest",
                    oldest,
                    self._visibility + _WAIT,
                    "A message for a stream's worker is not taken, or not finished.",
                ),
            ),
            {
                "Streams": [working, queued, dead],
                "Streams: oldest message, seconds": [oldest],
                "Stream processors": [active, failed],
            },
        )


def _reported_by(reported: definitions.Metric, sweep: Function) -> Metric:
    return Metric(
        namespace=definitions.NAMESPACE,
        metric_name=reported.cloudwatch,
        dimensions_map={reported.dimension: sweep.function_name},
        period=PERIOD,
        statistic=Stats.MAXIMUM,
    )
