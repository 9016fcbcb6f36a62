"""A change to moto's SQS queues that makes them safe for several threads, and a look at them.

Unchanged, moto deletes a message by replacing the list of messages with a copy, which loses
messages that another thread adds meanwhile. Two threads that receive at the same time can get the
same message. Both situations are frequent here, because uploads arrive while earlier ones are
processed. The change uses moto's own lock of the queue, which moto acquires only to add messages.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import wraps
from typing import Any

from facedex.settings import DEFAULT_ACCOUNT


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


def lock_queues() -> None:
    """Change moto to hold a queue's lock also while it receives or deletes messages."""
    from moto.sqs import models

    queues: Any = models.Queue
    backends: Any = models.SQSBackend
    delete = queues.delete_message
    receive = backends.receive_message

    @wraps(delete)
    def delete_locked(queue: Any, *arguments: Any, **named: Any) -> Any:
        with queue._messages_lock:
            return delete(queue, *arguments, **named)

    @wraps(receive)
    def receive_locked(backend: Any, queue_name: str, *arguments: Any, **named: Any) -> Any:
        # A call that waits for a message releases the lock, because the lock is a condition.
        with backend.get_queue(queue_name)._messages_lock:
            return receive(backend, queue_name, *arguments, **named)

    queues.delete_message = delete_locked
    backends.receive_message = receive_locked
