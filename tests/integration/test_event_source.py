"""The local event source between moto's queues and a function."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi
from facedex_local.workers.event_source import EventSource


@pytest.fixture(scope="module")
def sqs() -> Iterator[Any]:
    listener = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=16)
    listener.start()
    yield boto3.client(
        "sqs",
        endpoint_url=listener.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    listener.stop()


def source(sqs: Any, url: str, handler: Callable[..., Any], **more: Any) -> EventSource:
    chosen = {"batch_size": 10, "workers": 2, "timeout": 30, "memory": 256, **more}
    return EventSource(url, handler, function="sample", client=sqs, **chosen)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_message_is_lost_while_others_are_processed(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="busy")["QueueUrl"]
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def handle(event: Any, _context: Any) -> None:
        with lock:
            seen.update(record["body"] for record in event["Records"])

    worker = source(sqs, url, handle, workers=4)
    worker.start()

    def send(number: int) -> None:
        sqs.send_message(QueueUrl=url, MessageBody=str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(200)))
    assert worker.drain(60) == 0
    assert seen == Counter(str(number) for number in range(200))


def test_only_what_the_function_reports_is_delivered_again(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="partial")["QueueUrl"]
    seen: Counter[str] = Counter()

    def handle(event: Any, context: Any) -> Any:
        assert context.get_remaining_time_in_millis() > 0
        failures = []
        for record in event["Records"]:
            seen[record["body"]] += 1
            if record["body"] == "late" and seen["late"] < 2:
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    for body in ("good", "late", "fine"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    worker = source(sqs, url, handle, workers=1)
    worker.start()
    assert worker.drain(30) == 0
    assert seen == {"good": 1, "fine": 1, "late": 2}


def test_a_message_that_repeatedly_fails_becomes_a_dead_letter(sqs: Any) -> None:
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": 2}
    url = sqs.create_queue(QueueName="killing", Attributes={"RedrivePolicy": json.dumps(redrive)})[
        "QueueUrl"
    ]
    seen: list[str] = []

    def handle(event: Any, _context: Any) -> None:
        seen.extend(record["body"] for record in event["Records"])
        if "poison" in seen[-1]:
            raise ValueError("poison")

    for body in ("poison", "good"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    worker = source(sqs, url, handle, batch_size=1, workers=1)
    worker.start()
    letters: list[str] = []

    def arrived() -> bool:
        found = sqs.receive_message(QueueUrl=dead).get("Messages", ())
        letters.extend(each["Body"] for each in found)
        return bool(letters)

    wait_until(arrived)
    worker.stop()
    assert letters == ["poison"]
    assert sorted(seen) == ["good", "poison", "poison"]


def test_a_stop_waits_for_running_work_and_starts_nothing(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="stopping")["QueueUrl"]
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def handle(event: Any, _context: Any) -> None:
        begun.set()
        go_on.wait(30)
        done.extend(record["body"] for record in event["Records"])

    for number in range(5):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    worker = source(sqs, url, handle, batch_size=1, workers=1)
    worker.start()
    assert begun.wait(30)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    wait_until(worker._stopping.is_set)
    go_on.set()
    stopper.join()
    assert len(done) == 1
    assert worker.drain(0) == 4


def test_a_hanging_function_does_not_delay_a_stop(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="hanging")["QueueUrl"]
    begun, go_on = threading.Event(), threading.Event()

    def handle(_event: Any, _context: Any) -> None:
        begun.set()
        go_on.wait(60)

    sqs.send_message(QueueUrl=url, MessageBody="poison")
    worker = source(sqs, url, handle, batch_size=1, workers=2)
    worker.start()
    assert begun.wait(30)
    stopper = threading.Thread(target=worker.stop, args=(0.5,), daemon=True)
    stopper.start()
    stopper.join(30)
    assert not stopper.is_alive()
    assert worker._remaining() == 1
    go_on.set()
