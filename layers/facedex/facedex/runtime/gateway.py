"""Translation between API Gateway's proxy events (REST APIs, payload version 1.0) and calls.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from pybase64 import b64decode

from facedex.access.authentication import Caller, authenticate
from facedex.api import errors
from facedex.api.arns import Owner, signed_region
from facedex.api.catalog import OPERATIONS
from facedex.api.media_types import JSON
from facedex.api.writing import write_error
from facedex.observability import metrics, recording
from facedex.runtime import audit, services
from facedex.runtime.faults import service_error
from facedex.runtime.logs import get_logger, log_failure
from facedex.runtime.refusals import count_refusal
from facedex.store.audit import Trail

_logger = get_logger(__name__)

# The error code of a request that succeeds, in metrics.
_SUCCESS: Final = "OK"
# W3C's headers of a trace.
_TRACE: Final = ("traceparent", "tracestate")


@dataclass(frozen=True, slots=True)
class Call:
    """A request from an authenticated caller, received through API Gateway.

    Attributes:
        owner: account and region of the request.
        caller: the sender, and the operations that it may call.
        headers: by lower-case name.
        path: the path parameters of the route.
        query: all values of each query parameter.
        body: text, or bytes if API Gateway encoded it in base64.
        trail: the request's row of the audit log.
    """

    request_id: str
    owner: Owner
    caller: Caller
    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    body: str | bytes
    trail: Trail


def answer(
    event: Mapping[str, Any], content_type: str, act: Callable[[Call], bytes], operation: str
) -> dict[str, Any]:
    """Return the response to an event: the result of ``act``, or the error that it raises.

    Args:
        event: a REST proxy event.
        content_type: of the response, errors included.
        act: returns the body of a successful response.
        operation: the operation that the event names; it may be none of the catalog's.
    """
    name = operation if operation in OPERATIONS else metrics.UNKNOWN
    started = perf_counter()
    trace = _trace(event) if recording.tracing() else {}
    with recording.entry(name, trace):
        response, code = _answer(event, content_type, act, operation)
        status = response["statusCode"]
        recording.annotate(**{"http.response.status_code": status, "facedex.code": code})
    recording.record(metrics.REQUESTS, 1, name, str(status), code)
    recording.record(metrics.REQUEST_DURATION, perf_counter() - started, name)
    return response


def _answer(
    event: Mapping[str, Any], content_type: str, act: Callable[[Call], bytes], operation: str
) -> tuple[dict[str, Any], str]:
    """Return the response to an event, and the code of its error."""
    request_id = (event.get("requestContext") or {}).get("requestId") or str(uuid4())
    trail: Trail | None = None
    try:
        trail = audit.begin(event, request_id, operation)
        status, body = 200, act(_read_call(event, request_id, trail))
        headers, code = {}, _SUCCESS
    except Exception as raised:
        error = service_error(raised)
        count_refusal(error)
        audit.record_failure(trail, error, raised)
        if isinstance(error, errors.InternalServerError):
            log_failure(_logger, "A request failed", raised, request_id=request_id)
        status, body = error.status, write_error(error.code, error.answer, request_id)
        code = error.code
        headers = {"x-amzn-ErrorType": code}
    if content_type == JSON:
        # Browsers would write what a GET of a REST route returns, names and faces, to their disk.
        headers["Cache-Control"] = "no-store"
    response = {
        "statusCode": status,
        "headers": {"Content-Type": content_type, "x-amzn-RequestId": request_id, **headers},
        "body": body.decode(),
        "isBase64Encoded": False,
    }
    return response, code


def _trace(event: Mapping[str, Any]) -> Mapping[str, str]:
    headers = event.get("headers") or {}
    return {name.lower(): text for name, text in headers.items() if name.lower() in _TRACE}


def _read_call(event: Mapping[str, Any], request_id: str, trail: Trail) -> Call:
    context = event.get("requestContext") or {}
    text = event.get("body") or ""
    body = b64decode(text) if event.get("isBase64Encoded") else text
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    query = event.get("multiValueQueryStringParameters") or {}
    owner = services.owner(context.get("accountId"), signed_region(headers, query))
    trail.touch(region=owner.region, **audit.claimed_caller(event))
    with recording.span("authentication"):
        caller = authenticate(event, body, services.keyring)
    audit.identify(trail, caller)
    # After the authentication, so that strangers cannot use up the callers' rate.
    if limit := services.rate_limit():
        limit.take()
    return Call(
        request_id=request_id,
        owner=owner,
        caller=caller,
        headers=headers,
        path=event.get("pathParameters") or {},
        query=query,
        body=body,
        trail=trail,
    )
