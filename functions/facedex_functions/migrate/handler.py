"""The schema as a custom resource of CloudFormation, migrated when the stack is updated.

Updates can be repeated and rolled back: each migration is one transaction, so a failed one changes
nothing, and code older than the schema has nothing to migrate. This function deletes no data when
the stack is deleted; the settings of the database decide whether it is kept.

A second custom resource, with the property ``Action``, only wakes a paused database: the RDS Data
API, by which the stack prepares the database, does not wait for one.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import orjson
import psycopg
import urllib3

from facedex import invocation
from facedex.runtime import reporting, services
from facedex.runtime.logs import get_logger, log_failure
from facedex.store import schema
from facedex.store.connecting import is_refusal, lasting_reason, reason
from facedex.store.store_errors import DatabaseUnavailable, StoreError

_LONGEST_REASON: Final = 1000  # characters; a response may have 4,096 bytes
# Seconds to wait for the database. A paused one resumes after about 15; a new one takes longer.
_PATIENCE: Final = 180.0
_PAUSE: Final = 3.0
# Seconds of the invocation reserved for the response. The database itself rolls back a migration
# that is not completed by then, so that the next one need not wait for it.
_SPARE: Final = 60.0

# The property Action of a custom resource that wakes the database.
WAKE: Final = "wake"

_logger: Final = get_logger(__name__)


def lambda_handler(event: Mapping[str, Any], context: object) -> None:
    """Handle a request of CloudFormation, and send the response to the URL in it."""
    with reporting.under(context):
        _respond(event, _handle(event))


def _handle(event: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a resource asks for unless the stack is being deleted; return the outcome."""
    until = time.monotonic() + _PATIENCE
    try:
        deleted = event["RequestType"] == "Delete"
        if _action(event) == WAKE:
            if not deleted:
                _wake(until)
            return {"Status": "SUCCESS"}
        applied = [] if deleted else _migrate(until)
        _logger.info(
            "The schema is up to date.",
            extra={"request": event["RequestType"], "applied": applied},
        )
        return {"Status": "SUCCESS", "Data": {"Applied": ", ".join(applied)}}
    except Exception as error:
        waking = _action(event) == WAKE
        what = "The database could not be woken" if waking else "The schema could not be migrated"
        log_failure(_logger, what, error)
        reason = f"{error or type(error).__name__}"[:_LONGEST_REASON]
        return {"Status": "FAILED", "Reason": reason}


def _action(event: Mapping[str, Any]) -> str:
    return str((event.get("ResourceProperties") or {}).get("Action", ""))


def _wake(until: float) -> None:
    """Wait until the database runs; a connection attempt resumes one that is paused.

    Raises:
        DatabaseUnavailable: if it does not run in time.
    """
    while True:
        try:
            services.database().attempt()
        except psycopg.OperationalError as error:
            # The first deployment creates the role only after this.
            if is_refusal(error):
                return
            if time.monotonic() >= until:
                raise DatabaseUnavailable(
                    f"No connection to the database was possible. ({reason(error)})"
                ) from error
            time.sleep(_PAUSE)
        else:
            return


def _migrate(until: float) -> list[str]:
    while True:
        try:
            seconds = invocation.remaining() - _SPARE
            limit = seconds if isfinite(seconds) else None
            return schema.migrate(services.database(), seconds=limit)
        except DatabaseUnavailable as error:
            _explain(error, patient=time.monotonic() < until)
            time.sleep(_PAUSE)


def _explain(unavailable: DatabaseUnavailable, *, patient: bool) -> None:
    """Raise the reason why the database is unavailable, unless another attempt may succeed."""
    try:
        services.database().attempt()
    except psycopg.OperationalError as error:
        if refused := lasting_reason(error):
            raise StoreError(refused) from error
        if not patient:
            raise DatabaseUnavailable(
                f"No connection to the database was possible. ({reason(error)})"
            ) from error
    else:
        if not patient:
            raise unavailable


def _respond(event: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
    body = {
        # Always the same id: if it changed, CloudFormation would delete the old resource.
        "PhysicalResourceId": event.get("PhysicalResourceId") or _action(event) or "schema",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
        **outcome,
    }
    # The URL is signed, so it must not be logged, and the request may have no other headers.
    response = urllib3.request(
        "PUT",
        event["ResponseURL"],
        body=orjson.dumps(body),
        headers={"Content-Type": ""},
        timeout=10.0,
        retries=urllib3.Retry(5, backoff_factor=0.5, status_forcelist=(500, 503)),
    )
    if response.status != 200:
        raise RuntimeError(f"CloudFormation's URL responded with the status {response.status}.")
