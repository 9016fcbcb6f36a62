"""Requests that wait for messages of a queue hold no thread, and end with their client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from facedex_local.aws.long_polling import LongPolling
from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener

_LONGEST = 20  # seconds for which a request may wait


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    moto = Moto()
    moto.load()
    listener = Listener(LongPolling(moto), host="127.0.0.1", port=0, threads=2)
    listener.start()
    yield listener.url
    listener.stop()


def connect(url: str, **options: Any) -> Any:
    session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1}, **options)
    return session.client("sqs", endpoint_url=url, config=config)


def create(url: str, **attributes: str) -> dict[str, str]:
    name = f"polled-{uuid4().hex}"
    return {
        "QueueUrl": connect(url).create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    }


def bodies(response: dict[str, Any]) -> list[str]:
    return [message["Body"] for message in response.get("Messages", ())]


def test_a_message_is_sent_while_more_consumers_wait_than_there_are_threads(url: str) -> None:
    queue = create(url)
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            pool.submit(connect(url).receive_message, **queue, WaitTimeSeconds=_LONGEST)
            for _ in range(4)
        ]
        for number in range(4):
            connect(url).send_message(**queue, MessageBody=str(number))
        received = [body for each in waiting for body in bodies(each.result())]
    assert sorted(received) == ["0", "1", "2", "3"]


def test_a_client_that_has_gone_takes_no_message(url: str) -> None:
    queue = create(url)
    with pytest.raises(ReadTimeoutError):
        connect(url, read_timeout=1).receive_message(**queue, WaitTimeSeconds=_LONGEST)
    connect(url).send_message(**queue, MessageBody="text")
    assert bodies(connect(url).receive_message(**queue)) == ["text"]


def test_a_message_that_becomes_visible_again_is_received(url: str) -> None:
    queue = create(url, VisibilityTimeout="1", ReceiveMessageWaitTimeSeconds=str(_LONGEST))
    connect(url).send_message(**queue, MessageBody="text")
    assert bodies(connect(url).receive_message(**queue)) == ["text"]
    assert bodies(connect(url).receive_message(**queue)) == ["text"]


def test_a_queue_without_messages_is_reported_after_the_wait(url: str) -> None:
    queue = create(url)
    assert bodies(connect(url).receive_message(**queue, WaitTimeSeconds=1)) == []
    connect(url).send_message(**queue, MessageBody="text")
    assert bodies(connect(url).receive_message(**queue)) == ["text"]


def test_a_server_that_stops_answers_consumers_that_wait() -> None:
    moto = Moto()
    moto.load()
    listener = Listener(LongPolling(moto), host="127.0.0.1", port=0, threads=2)
    listener.start()
    try:
        queue = create(listener.url)
        with ThreadPoolExecutor(8) as pool:
            waiting = [
                pool.submit(
                    connect(listener.url).receive_message, **queue, WaitTimeSeconds=_LONGEST
                )
                for _ in range(8)
            ]
            end = time.monotonic() + 30
            while len(listener._server.server_state.tasks) < len(waiting):
                assert time.monotonic() < end
                time.sleep(0.05)
            listener.stop()
            # Not cut off, as they would be when the server's patience ends.
            assert [bodies(each.result()) for each in waiting] == [[]] * len(waiting)
    finally:
        listener.stop()
