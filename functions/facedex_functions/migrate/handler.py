"""The schema as a custom resource of CloudFormation: migrated when the stack is updated.

Safe to repeat, and to roll back: a migration is one transaction, so one that fails leaves the data
as it was, and code older than the schema finds nothing to do. Deleting the stack deletes no data
here; the database's own settings decide what happens to it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import orjson
import urllib3

from facedex import invocation
from facedex.runtime import services
from facedex.runtime.logs import get_logger, log_failure
from facedex.store import schema
from facedex.store.errors import DatabaseUnavailable

_LONGEST_REASON: Final = 1000  # characters; a response may have 4,096 bytes
# Seconds. A paused database resumes after some fifteen, a new or restarted one takes longer.
_PATIENCE: Final = 180.0
_PAUSE: Final = 3.0
# Seconds of the invocation that are kept for the response. The database itself rolls back a
# migration that is not done by then, so that the next one need not wait for it.
_SPARE: Final = 60.0

_logger: Final = get_logger(__name__)


def lambda_handler(event: Mapping[str, Any], context: object) -> None:
    """Handle a request of CloudFormation; the response goes to the address in it."""
    with invocation.under(context):
        _respond(event, _handle(event))


def _handle(event: Mapping[str, Any]) -> dict[str, Any]:
    """Migrate the schema unless the stack is being deleted; return the outcome."""
    try:
        applied = [] if event["RequestType"] == "Delete" else _migrate(time.monotonic() + _PATIENCE)
        _logger.info(
            "The schema is up to date.",
            extra={"request": event["RequestType"], "applied": applied},
        )
        return {"Status": "SUCCESS", "Data": {"Applied": ", ".join(applied)}}
    except Exception as error:
        log_failure(_logger, "The schema could not be migrated", error)
        reason = f"{error or type(error).__name__}"[:_LONGEST_REASON]
        return {"Status": "FAILED", "Reason": reason}


def _migrate(until: float) -> list[str]:
    while True:
        try:
            seconds = invocation.remaining() - _SPARE
            limit = seconds if isfinite(seconds) else None
            return schema.migrate(services.database(), seconds=limit)
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


def _respond(event: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
    body = {
        # The same id for the stack's life: CloudFormation would delete the resource of another.
        "PhysicalResourceId": event.get("PhysicalResourceId") or "schema",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        **outcome,
    }
    # The address is signed, so it must not be logged, and allows no header of its own.
    response = urllib3.request(
        "PUT",
        event["ResponseURL"],
        body=orjson.dumps(body),
        headers={"Content-Type": ""},
        timeout=10.0,
        retries=urllib3.Retry(5, backoff_factor=0.5, status_forcelist=(500, 503)),
    )
    if response.status != 200:
        raise RuntimeError(f"CloudFormation's address responded with {response.status}.")
