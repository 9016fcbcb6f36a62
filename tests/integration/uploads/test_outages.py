"""Uploads wait while the database or S3 does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from facedex.aws import objects
from facedex_local.postgres.cluster import Postgres
from tests.integration.uploads.bucket import Bucket


def test_upload_waits_while_the_database_is_down(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    postgres = Postgres(tmp_path)
    bucket = function(postgres.start())
    bucket.put("staff/grace.jpg", portraits["grace"])
    postgres.stop()
    assert bucket.notify("staff/grace.jpg") == ["m"]
    assert bucket.reasons() == []
    assert bucket.tags("staff/grace.jpg") == {}
    again = Postgres(tmp_path)
    again.start()
    try:
        bucket.reach_database()
        assert bucket.notify("staff/grace.jpg") == []
        assert bucket.names() == ["grace"]
        bucket.database.close()
    finally:
        again.stop()


def test_database_that_wakes_up_in_time_causes_no_failure(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    first, again = Postgres(tmp_path), Postgres(tmp_path)
    bucket = function(first.start(), DATABASE_PATIENCE="30")
    bucket.put("staff/grace.jpg", portraits["grace"])
    first.stop()
    starter = threading.Timer(2, again.start)
    starter.start()
    try:
        assert bucket.notify("staff/grace.jpg") == []
        assert bucket.names() == ["grace"]
    finally:
        starter.join()
        bucket.database.close()
        again.stop()


def test_long_database_outage_makes_no_dead_letter(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    """A new message replaces the old one each time, so that deliveries are not counted."""
    first, again = Postgres(tmp_path), Postgres(tmp_path)
    bucket = function(first.start(), DATABASE_PATIENCE="1")
    bucket.put("staff/grace.jpg", portraits["grace"])
    first.stop()
    assert bucket.notify("staff/grace.jpg") == []
    since = time.time()
    for attempt in range(1, 6):
        message = bucket.next_message()
        attributes = message["messageAttributes"]
        assert attributes["Attempts"]["stringValue"] == str(attempt)
        assert int(attributes["WaitingSince"]["stringValue"]) <= since
        assert bucket.send(**message) == []
    message = bucket.next_message()
    again.start()
    try:
        bucket.reach_database()
        assert bucket.send(**message) == []
        assert bucket.names() == ["grace"]
    finally:
        bucket.database.close()
        again.stop()
    assert bucket.reasons() == []
    assert bucket.tags("staff/grace.jpg") == {}


def test_upload_that_has_waited_for_days_becomes_a_dead_letter(
    function: Callable[..., Bucket], tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    postgres = Postgres(tmp_path)
    bucket = function(postgres.start(), DATABASE_PATIENCE="1")
    bucket.put("staff/grace.jpg", portraits["grace"])
    postgres.stop()
    assert bucket.notify("staff/grace.jpg") == []
    message = bucket.next_message()
    long_ago = str(int(time.time()) - 4 * 24 * 3600)
    message["messageAttributes"]["WaitingSince"]["stringValue"] = long_ago
    assert bucket.send(**message) == []
    ((code, reason),) = bucket.reasons()
    assert code == "InternalServerError"
    assert reason.startswith("The database did not answer")
    assert bucket.tags("staff/grace.jpg")["facedex:status"] == "failed"


def test_upload_waits_while_s3_does_not_answer(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    objects.client.cache_clear()
    assert bucket.notify("staff/grace.jpg") == ["m"]
    assert bucket.reasons() == []
