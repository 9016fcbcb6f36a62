"""The queue through which stream processors find their workers, and what those may read and write.

A worker has a stream for some fourteen minutes and sends the message for its successor itself. One
that dies is missed by the sweep, which sends a message at once: its own comes back much later, when
it finds the stream in other hands and does nothing. So messages need not outlive what they begin.
"""

from __future__ import annotations

from typing import Final

from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_lambda import Function
from constructs import Construct

from infra.constructs.queues import queue_with_dead_letters, work_off
from infra.settings import StackSettings

# Lambda takes no queue whose messages come again before the function's time is over.
_SPARE: Final = 60  # seconds
_WAIT: Final = 300  # seconds that a stream may wait for a worker before somebody is told


class StreamWork(Construct):
    """A queue, worked off by as many copies of the worker as the setting allows.

    Attributes:
        patience: seconds that a message may be old before somebody has to look.
    """

    def __init__(self, scope: Construct, name: str, settings: StackSettings, timeout: int) -> None:
        super().__init__(scope, name)
        self._settings = settings
        visibility = timeout + _SPARE
        self.patience = visibility + _WAIT
        self.queue, self.dead_letters = queue_with_dead_letters(
            self, timeout=timeout, visibility=visibility
        )

    def attach(self, function: Function) -> None:
        """Have a function work off the queue, and let it at the streams of the settings."""
        work_off(self.queue, function, concurrency=self._settings.streams_concurrency)
        reading = ["kinesisvideo:GetDataEndpoint", "kinesisvideo:GetMedia"]
        for actions, streams in (
            (reading, self._settings.video_streams),
            (["kinesis:PutRecords"], self._settings.data_streams),
        ):
            function.add_to_role_policy(PolicyStatement(actions=actions, resources=list(streams)))

    def admit(self, function: Function) -> None:
        """Let a function send for a worker."""
        self.queue.grant_send_messages(function)
        function.add_environment("FACEDEX_STREAM_QUEUE", self.queue.queue_url)
