"""moto's queues keep every message while threads add, receive and delete."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from moto.sqs.models import SQSBackend

from local.moto_app import Moto

_MESSAGES = 400


@pytest.fixture
def impatient() -> Iterator[None]:
    """Have threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
def test_a_message_that_is_added_while_another_is_deleted_is_delivered_once() -> None:
    Moto().load()
    backend = SQSBackend("us-east-1", "123456789012")
    name = f"busy-{uuid4().hex}"
    backend.create_queue(name)
    seen: list[str] = []

    def add(first: int) -> None:
        for number in range(first, _MESSAGES, 2):
            backend.send_message(name, str(number))

    def work() -> None:
        # A message that was lost would be waited for until the queue stays empty.
        while messages := backend.receive_message(name, 10, 1, 60):
            for message in messages:
                assert message.receipt_handle
                seen.append(message.body)
                backend.delete_message(name, message.receipt_handle)

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(add, first) for first in (0, 1)]
        done += [pool.submit(work) for _ in range(2)]
        for each in done:
            each.result()
    assert sorted(seen, key=int) == [str(number) for number in range(_MESSAGES)]
