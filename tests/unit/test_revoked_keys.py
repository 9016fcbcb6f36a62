"""A request ends when its key is disabled or deleted, however long it could run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from facedex.store.access_keys import Credentials
from facedex.store.store_errors import DatabaseUnavailable
from tests.unit.guarded import FULL, READER, client, running

_PATIENCE = 60.0  # seconds
_LONGEST = 20  # seconds for which a request may wait for messages


class Keys:
    """The active keys, which can be revoked, and a database that can fail."""

    def __init__(self) -> None:
        self._active = {each.key.access_key_id: each for each in (FULL, READER)}
        self._looked_up: Counter[str] = Counter()
        self._changed = Condition()
        self.fails = False

    def find(self, access_key_id: str) -> Credentials | None:
        with self._changed:
            self._looked_up[access_key_id] += 1
            self._changed.notify_all()
            if self.fails:
                raise DatabaseUnavailable("no answer")
            return self._active.get(access_key_id)

    def wait_for_further_look(self, credentials: Credentials) -> None:
        name = credentials.key.access_key_id
        with self._changed:
            before = self._looked_up[name]
            assert self._changed.wait_for(lambda: self._looked_up[name] > before + 1, _PATIENCE)

    def revoke(self, credentials: Credentials) -> None:
        with self._changed:
            del self._active[credentials.key.access_key_id]


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def url(keys: Keys) -> Iterator[str]:
    with running(keys.find, recheck=0.1) as address:
        yield address


@pytest.fixture
def queue(url: str) -> str:
    made = client(url, "sqs").create_queue(QueueName=f"revoked-{uuid4().hex}")
    return str(made["QueueUrl"])


@pytest.fixture
def waiting(url: str, keys: Keys, queue: str) -> Iterator[Future[Any]]:
    """Return a running request for the messages of the queue."""
    receive: Callable[..., Any] = client(url, "sqs").receive_message
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(receive, QueueUrl=queue, WaitTimeSeconds=_LONGEST)
        keys.wait_for_further_look(FULL)
        yield running


def test_a_camera_is_no_longer_watched_with_a_revoked_key(url: str, keys: Keys) -> None:
    name = f"door-{uuid4().hex}"
    client(url, "kinesisvideo").create_stream(StreamName=name, DataRetentionInHours=1)
    media = client(url, "kinesis-video-media", READER)
    begun = media.get_media(StreamName=name, StartSelector={"StartSelectorType": "NOW"})
    keys.wait_for_further_look(READER)
    keys.revoke(READER)
    with pytest.raises(ResponseStreamingError):
        begun["Payload"].read()


def test_a_wait_for_messages_is_refused_after_its_key_was_revoked(
    keys: Keys, waiting: Future[Any]
) -> None:
    keys.revoke(FULL)
    with pytest.raises(ClientError) as refused:
        waiting.result()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_a_request_goes_on_while_its_key_cannot_be_looked_up(
    url: str, keys: Keys, queue: str, waiting: Future[Any]
) -> None:
    keys.fails = True
    keys.wait_for_further_look(FULL)
    keys.fails = False
    client(url, "sqs").send_message(QueueUrl=queue, MessageBody="text")
    assert [each["Body"] for each in waiting.result()["Messages"]] == ["text"]
