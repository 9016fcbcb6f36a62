"""The schema as a custom resource of CloudFormation: brought up to date when the stack is.

Safe to repeat, and to roll back: a migration is one transaction, so one that fails leaves the data
as it was, and code older than the schema finds nothing to do. Deleting the stack deletes nothing
here; what becomes of the data is the database's own setting.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref.html
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import orjson
import urllib3
from aws_lambda_powertools import Logger

from facedex import invocation
from facedex.runtime import services
from facedex.store import schema
from facedex.store.errors import DatabaseUnavailable

_LONGEST_REASON: Final = 1000  # characters; an answer may have 4,096 bytes
# A database that has paused is back after some fifteen seconds, a new or restarted one after more.
_PATIENCE: Final = 180.0
_PAUSE: Final = 3.0
# Seconds of the function's time that are kept for its answer: a migration that is not done by then
# is undone by the database itself, so that the one of a rollback need not wait for it.
_SPARE: Final = 60.0

logger = Logger(service="facedex", stream=sys.stderr)


def lambda_handler(event: Mapping[str, Any], context: object) -> None:
    """Lambda's entry: a request of CloudFormation's; the answer goes to the address in it."""
    with invocation.under(context):
        _migrate_and_answer(event)


def _migrate_and_answer(event: Mapping[str, Any]) -> None:
    try:
        applied = [] if event["RequestType"] == "Delete" else _migrate(time.monotonic() + _PATIENCE)
        logger.info("schema is up to date", request=event["RequestType"], applied=applied)
        outcome = {"Status": "SUCCESS", "Data": {"Applied": ", ".join(applied)}}
    except Exception as error:
        logger.exception("schema could not be brought up to date")
        reason = f"{error or type(error).__name__}"[:_LONGEST_REASON]
        outcome = {"Status": "FAILED", "Reason": reason}
    _answer(event, outcome)


def _migrate(until: float) -> list[str]:
    while True:
        try:
            left = invocation.remaining() - _SPARE
            return schema.migrate(services.database(), seconds=left if isfinite(left) else None)
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


def _answer(event: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
    body = {
        # One schema for the stack's life: another id would have CloudFormation delete this one.
        "PhysicalResourceId": event.get("PhysicalResourceId") or "schema",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        **outcome,
    }
    # The address is signed, so it has to be kept from the log, and takes no header of its own.
    reply = urllib3.request(
        "PUT",
        event["ResponseURL"],
        body=orjson.dumps(body),
        headers={"Content-Type": ""},
        timeout=10.0,
        retries=urllib3.Retry(5, backoff_factor=0.5, status_forcelist=(500, 503)),
    )
    if reply.status != 200:
        raise RuntimeError(f"CloudFormation's address answered {reply.status}.")
