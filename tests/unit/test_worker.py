"""The entry point of functions that process messages of a queue."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex import invocation
from facedex.api.errors import InternalServerError
from facedex.runtime.logs import get_logger
from facedex.runtime.worker import DeliverAgain, worker
from facedex_local.http.gateway import Context

LOGGER = get_logger("facedex_functions.example.handler")


def call(process: Any, *bodies: str) -> list[str]:
    """Process messages with these bodies; return the ids of those that failed."""
    records = [{"messageId": body, "eventSource": "aws:sqs", "body": body} for body in bodies]
    answer = worker("example", process, LOGGER)(
        {"Records": records}, Context("example", 30, 128, "request")
    )
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_processor_knows_the_deadline_and_name_of_its_invocation() -> None:
    seen: list[tuple[float, str]] = []
    assert call(lambda _: seen.append((invocation.remaining(), invocation.function())), "a") == []
    ((seconds, function),) = seen
    assert 29 < seconds <= 30
    assert function == "example"
    assert invocation.remaining() == float("inf")
    assert invocation.function() == ""


def test_only_failed_messages_of_a_batch_are_delivered_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    def process(record: SQSRecord) -> None:
        if record.body == "foreseen":
            raise InternalServerError("S3 does not answer.")
        if record.body == "logged already":
            raise DeliverAgain
        if record.body == "unforeseen":
            raise ZeroDivisionError
        done.append(record.body)

    failed = ["foreseen", "logged already", "unforeseen"]
    assert call(process, "one", *failed, "two") == failed
    assert done == ["one", "two"]
    foreseen, unforeseen = caplog.records
    assert foreseen.getMessage() == (
        "The message foreseen failed and is delivered again: InternalServerError: S3 does not"
        " answer."
    )
    assert foreseen.exc_info is None
    assert unforeseen.exc_info
    assert {record.name for record in caplog.records} == {"facedex.functions.example.handler"}


def test_modules_of_every_room_log_through_the_one_service() -> None:
    service = logging.getLogger("facedex")
    assert len(service.handlers) == 1
    for name in ("facedex.store.jobs", "facedex_functions.sweep.handler"):
        logger = get_logger(name)
        assert logger.handlers == []
        found: logging.Logger | None = logger
        while found and found is not service:
            found = found.parent
        assert found is service
