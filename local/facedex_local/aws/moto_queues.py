"""A change to moto's SQS queues that makes them safe for several threads, and a look at them.

Unchanged, moto deletes a message by replacing the list of messages with a copy, which loses
messages that another thread adds meanwhile. Two threads that receive at the same time can get the
same message. Both situations are frequent here, because uploads arrive while earlier ones are
processed. The change uses moto's own lock of the queue, which moto acquires only to add messages.

moto keeps messages that are never received, and the receipt handle of every message that was
ever deleted; here both are limited.

moto also waits for messages in the thread of a request. Here the request says how long it would
wait, and ``long_polling`` does so without a thread.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from facedex.settings import DEFAULT_ACCOUNT

# Key of a request's Poll in its WSGI environment.
POLL: Final = "facedex.poll"
# Name of the set of polls of a queue.
_POLLS: Final = "_facedex_polls"
_MOST_DELETED: Final = 10_000  # receipt handles of deleted messages that a queue remembers


class Poll:
    """A request that may wait for messages.

    Args:
        wake: called when a message has arrived, in any thread.

    Attributes:
        seconds: the time for which the request waits, as no message is there; 0 if it has its
            answer.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.seconds = 0
        self._queue: Any = None

    def begin(self, queue: Any, seconds: int) -> None:
        """Wait for messages of a queue, whose lock the caller holds."""
        self._queue, self.seconds = queue, seconds
        queue.__dict__.setdefault(_POLLS, set()).add(self)

    def has_messages(self) -> bool:
        """Return whether the queue has a message that can be received."""
        with self._queue._messages_lock:
            return any(each.visible and not each.delayed for each in self._queue._messages)

    def end(self) -> None:
        """Wait no longer."""
        with self._queue._messages_lock:
            self._queue.__dict__.get(_POLLS, set()).discard(self)


@dataclass(frozen=True, slots=True)
class Message:
    """A message in a queue.

    Attributes:
        state: "waiting", "delayed", or "in_work" if a receiver has it.
        sent: the time at which it was sent, in seconds since 1970.
    """

    state: str
    sent: float


def list_messages(queue_name: str, region: str) -> list[Message] | None:
    """Return the messages of a queue in this process, or None if there is no such queue."""
    models: Any = sys.modules.get("moto.sqs.models")  # loaded with the first request for moto
    queues: Any = models.sqs_backends[DEFAULT_ACCOUNT][region].queues if models else {}
    queue = queues.get(queue_name)
    if queue is None:
        return None
    with queue._messages_lock:
        return [
            Message(
                "delayed" if each.delayed else "waiting" if each.visible else "in_work",
                float(each.sent_timestamp) / 1000,
            )
            for each in queue._messages
        ]


class _Deleted(OrderedDict[str, None]):
    """The receipt handles of the messages that were deleted last."""

    def update(self, handles: Iterable[str]) -> None:  # type: ignore[override]
        """Add handles, and forget the oldest ones."""
        for handle in handles:
            self[handle] = None
        while len(self) > _MOST_DELETED:
            self.popitem(last=False)


def lock_queues() -> None:
    """Change moto to hold a queue's lock also while it receives or deletes messages."""
    from flask import has_request_context, request
    from moto.sqs import models

    queues: Any = models.Queue
    backends: Any = models.SQSBackend
    create = queues.__init__
    add = queues.add_message
    delete = queues.delete_message
    receive = backends.receive_message

    @wraps(create)
    def create_bounded(queue: Any, *arguments: Any, **named: Any) -> None:
        create(queue, *arguments, **named)
        queue.deleted_messages = _Deleted()

    @wraps(add)
    def add_and_wake(queue: Any, *arguments: Any, **named: Any) -> Any:
        result = add(queue, *arguments, **named)
        with queue._messages_lock:
            _expire(queue)
            polls = queue.__dict__.pop(_POLLS, ())
        for poll in polls:
            poll.wake()
        return result

    @wraps(delete)
    def delete_locked(queue: Any, *arguments: Any, **named: Any) -> Any:
        with queue._messages_lock:
            return delete(queue, *arguments, **named)

    @wraps(receive)
    def receive_locked(
        backend: Any, queue_name: str, count: int, seconds: int, *arguments: Any, **named: Any
    ) -> Any:
        poll: Poll | None = request.environ.get(POLL) if has_request_context() else None
        queue = backend.get_queue(queue_name)
        # A call that waits for a message releases the lock, because the lock is a condition.
        with queue._messages_lock:
            _expire(queue)
            waits = 0 if poll else seconds
            found = receive(backend, queue_name, count, waits, *arguments, **named)
            if poll and seconds and not found:
                poll.begin(queue, seconds)
            return found

    queues.__init__ = create_bounded
    queues.add_message = add_and_wake
    queues.delete_message = delete_locked
    backends.receive_message = receive_locked


def _expire(queue: Any) -> None:
    """Remove the oldest messages that are past the queue's retention period."""
    horizon = (time.time() - queue.message_retention_period) * 1000
    messages = queue._messages
    while messages and messages[0].sent_timestamp < horizon:
        queue.pending_messages.discard(messages.pop(0))
