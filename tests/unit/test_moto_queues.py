"""moto's queues keep every message while threads add, receive and delete."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from uuid import uuid4

import pytest
from moto.sqs.models import Message, Queue, SQSBackend

from facedex_local.aws.moto_app import Moto

_MESSAGES = 400
_PATIENCE = 60.0  # seconds


@pytest.fixture
def impatient() -> Iterator[None]:
    """Make threads switch as often as possible."""
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
        # The time until which a lost message would be waited for.
        end = monotonic() + _PATIENCE
        while len(seen) < _MESSAGES and monotonic() < end:
            for message in backend.receive_message(name, 10, 1, 60):
                assert message.receipt_handle
                seen.append(message.body)
                backend.delete_message(name, message.receipt_handle)

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(add, first) for first in (0, 1)]
        done += [pool.submit(work) for _ in range(2)]
        for each in done:
            each.result()
    assert sorted(seen, key=int) == [str(number) for number in range(_MESSAGES)]


@pytest.fixture
def queue() -> Queue:
    Moto().load()
    backend = SQSBackend("us-east-1", "123456789012")
    name = f"kept-{uuid4().hex}"
    backend.create_queue(name, MessageRetentionPeriod="60")
    return backend.queues[name]


def message(*, age: float) -> Message:
    made = Message(uuid4().hex, "text")
    made.mark_sent()
    assert made.sent_timestamp is not None
    made.sent_timestamp -= int(age * 1000)
    return made


def test_messages_past_the_retention_period_of_their_queue_are_removed(queue: Queue) -> None:
    old, young = message(age=61), message(age=30)
    queue.add_message(old)
    queue.add_message(young)
    assert queue._messages == [young]


def test_a_queue_remembers_the_receipts_of_the_messages_that_were_deleted_last(
    queue: Queue,
) -> None:
    queue.deleted_messages.update(str(number) for number in range(20_000))
    assert "19999" in queue.deleted_messages
    assert "0" not in queue.deleted_messages


def test_a_message_can_be_deleted_twice_with_one_receipt(queue: Queue) -> None:
    added = message(age=0)
    added.mark_received()
    assert added.receipt_handle
    queue.add_message(added)
    for _ in range(2):
        queue.delete_message(added.receipt_handle)
    assert queue._messages == []
