"""The entry point of all functions that process messages of an SQS queue."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from facedex.observability import metrics, recording
from facedex.runtime import reporting
from facedex.runtime.logs import log_failure

Process = Callable[[SQSRecord], None]


class DeliverAgain(Exception):
    """The message cannot be processed now. Its processor has logged why."""


class Worker:
    """A Lambda handler for SQS events. SQS delivers failed messages again.

    Args:
        function: the function's name in the catalog.
        process: processes one message; any exception means that the message has failed.
        logger: the function's logger.
    """

    def __init__(self, function: str, process: Process, logger: logging.Logger) -> None:
        self._function = function
        self._process = process
        self._logger = logger

    def __call__(self, event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
        """Process the messages of an event.

        Returns:
            The ids of the failed messages, as ``batchItemFailures``.
        """
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        with reporting.under(context):
            return process_partial_response(dict(event), self._process_one, processor, context)

    def _process_one(self, record: SQSRecord) -> None:
        started = perf_counter()
        result = "again"
        try:
            with recording.entry(self._function, _trace(record), message=True):
                self._process(record)
            result = "done"
        except DeliverAgain:
            raise
        except Exception as error:
            what = f"The message {record.message_id} failed and is delivered again"
            log_failure(self._logger, what, error)
            raise
        finally:
            recording.record(metrics.MESSAGES, 1, self._function, result)
            recording.record(metrics.MESSAGE_DURATION, perf_counter() - started, self._function)


def worker(function: str, process: Process, logger: logging.Logger) -> Worker:
    """Make the Lambda handler of a function that processes messages."""
    return Worker(function, process, logger)


def _trace(record: SQSRecord) -> Mapping[str, str]:
    """Return the headers of a trace that the sender added to a message."""
    attributes = record.get("messageAttributes") or {}
    return {
        name.lower(): text
        for name, attribute in attributes.items()
        if (text := attribute.get("stringValue"))
    }
