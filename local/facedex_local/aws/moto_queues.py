"""A change to moto's SQS queues that makes them safe for several threads.

Unchanged, moto deletes a message by replacing the list of messages with a copy, which loses
messages that another thread adds meanwhile. Two threads that receive at the same time can get the
same message. Both situations are frequent here, because uploads arrive while earlier ones are
processed. The change uses moto's own lock of the queue, which moto acquires only to add messages.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


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
