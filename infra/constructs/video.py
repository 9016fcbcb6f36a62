"""The queue of the work on stored videos, with one segment of a film in each message."""

from __future__ import annotations

from aws_cdk.aws_lambda import Function
from constructs import Construct

from infra.constructs.queues import queue_with_dead_letters, work_off
from infra.settings import StackSettings


class VideoWork(Construct):
    """A queue, with as many copies of the worker as the setting allows."""

    def __init__(self, scope: Construct, name: str, settings: StackSettings, timeout: int) -> None:
        super().__init__(scope, name)
        self._concurrency = settings.video_concurrency
        self.queue, self.dead_letters = queue_with_dead_letters(self, settings, timeout=timeout)

    def attach(self, function: Function) -> None:
        """Invoke a function from the queue."""
        work_off(self.queue, function, concurrency=self._concurrency)

    def admit(self, function: Function) -> None:
        """Allow a function to send work to the queue."""
        self.queue.grant_send_messages(function)
        function.add_environment("FACEDEX_VIDEO_QUEUE", self.queue.queue_url)
