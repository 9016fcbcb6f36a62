"""API Gateway's conversion between HTTP and a Lambda function's events.

A WSGI request becomes a REST API proxy event (payload format 1.0), the function is called with a
Lambda context, and its result becomes an HTTP response. The fields are those of
https://docs.aws.amazon.com/apigateway/latest/developerguide/
set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from pybase64 import b64decode, b64encode_as_string

from facedex.settings import DEFAULT_ACCOUNT, DEFAULT_REGION

Environ: TypeAlias = dict[str, Any]
Event: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Event, Any], Mapping[str, Any]]

ACCOUNT: Final = DEFAULT_ACCOUNT
STAGE: Final = "local"
_API: Final = "facedex"
# The content types that the deployed API declares as binary. Any other body is text in the event.
_BINARY: Final = ("image/", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Context:
    """The context object of a Lambda invocation."""

    function_name: str
    timeout: float  # seconds
    memory_limit_in_mb: int
    aws_request_id: str
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None
    _started: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """The ARN under which the function was invoked."""
        return f"arn:aws:lambda:{DEFAULT_REGION}:{ACCOUNT}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """The function's CloudWatch log group."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """The CloudWatch log stream of this instance of the function."""
        return STAGE

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda would end the invocation, at least zero."""
        remaining = self.timeout - (time.monotonic() - self._started)
        return max(0, int(remaining * 1000))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response that has not been sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def line(self) -> str:
        """The status code and its phrase, as WSGI requires them."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


def request_event(
    environ: Environ, body: bytes, *, resource: str, parameters: Mapping[str, str] | None
) -> Event:
    """Return the proxy event for a request.

    Args:
        environ: the request, with its unparsed target in ``REQUEST_URI``.
        body: the complete body, without any transfer coding.
        resource: path of the route that matched, with its ``{Placeholders}``.
        parameters: the placeholders' values, decoded; None if the route has none.
    """
    headers = _headers(environ)
    query = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)
    # Not decoded: API Gateway decodes the query for functions, but not the path.
    path = raw_path(environ)
    text, binary = _body_text(body, environ.get("CONTENT_TYPE", ""))
    return {
        "resource": resource,
        "path": path,
        "httpMethod": environ["REQUEST_METHOD"],
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        # The last value of a repeated name; the next field contains all values.
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _gather(query) or None,
        "pathParameters": dict(parameters) if parameters else None,
        "stageVariables": None,
        "requestContext": _request_context(environ, headers, resource, path),
        "body": text if body else None,
        "isBase64Encoded": binary and bool(body),
    }


def invoke(handler: Handler, event: Event, *, function: str, timeout: float, memory: int) -> Answer:
    """Call a function and convert its result as API Gateway does.

    Exceptions of the function are raised, as are those that a result of the wrong form causes.
    API Gateway answers both with a 502 that Rekognition's service model does not contain. This
    server answers InternalServerError (500), which SDKs recognise and retry as well.
    """
    context = Context(
        function_name=f"facedex-{function}",
        timeout=timeout,
        memory_limit_in_mb=memory,
        aws_request_id=str(uuid.uuid4()),
    )
    answer = handler(event, context)
    status = int(answer["statusCode"])
    headers = [
        *((name, str(value)) for name, value in (answer.get("headers") or {}).items()),
        *(
            (name, str(value))
            for name, values in (answer.get("multiValueHeaders") or {}).items()
            for value in values
        ),
    ]
    text = answer.get("body") or ""
    body = b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    return Answer(status, headers, body)


def raw_path(environ: Environ) -> str:
    """Return the request's path as the client sent it, with its percent-encoding."""
    target: str = environ["REQUEST_URI"]
    return target.partition("?")[0]


def _request_context(
    environ: Environ, headers: Mapping[str, str], resource: str, path: str
) -> dict[str, Any]:
    now = datetime.now(UTC)
    host = headers.get("Host", "")
    return {
        "accountId": ACCOUNT,
        "apiId": _API,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "extendedRequestId": uuid.uuid4().hex[:16],
        "httpMethod": environ["REQUEST_METHOD"],
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": environ.get("REMOTE_ADDR", ""),
            "user": None,
            "userAgent": headers.get("User-Agent"),
            "userArn": None,
        },
        "path": f"/{STAGE}{path}",
        "protocol": environ["SERVER_PROTOCOL"],
        "requestId": str(uuid.uuid4()),
        "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": int(now.timestamp() * 1000),
        "resourceId": "local",
        "resourcePath": resource,
        "stage": STAGE,
    }


def _headers(environ: Environ) -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    headers.setdefault("X-Forwarded-For", environ.get("REMOTE_ADDR", ""))
    headers.setdefault("X-Forwarded-Port", environ.get("SERVER_PORT", ""))
    headers.setdefault("X-Forwarded-Proto", environ.get("wsgi.url_scheme", "http"))
    return headers


def _body_text(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return a body as an event contains it, and whether that is base64.

    Text that is not UTF-8, such as a photo without its content type, is passed as base64 too. Its
    signature covers these bytes, and the function can say what is wrong with them.
    """
    if not content_type.lower().startswith(_BINARY):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return b64encode_as_string(body), True


def _gather(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return gathered
