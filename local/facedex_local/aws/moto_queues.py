"""Make moto's queues keep every message while several threads use them.

As it is, moto deletes a message by putting a copy of the list without it in the list's place, and
a message that another thread adds meanwhile is lost; two that receive at once get the same one.
Both happen here all the time: uploads come in while those before them are worked off. moto's own
lock of the queue, which it takes only for adding, keeps them apart.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def lock_queues() -> None:
    """Have moto take a queue's lock for receiving and deleting too."""
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
        # It is let go of while the call waits for a message, as conditions do.
        with backend.get_queue(queue_name)._messages_lock:
            return receive(backend, queue_name, *arguments, **named)

    queues.delete_message = delete_locked
    backends.receive_message = receive_locked
