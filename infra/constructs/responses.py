"""The errors that API Gateway returns itself, in the form of Rekognition's own.

SDKs take an error's name from the header ``x-amzn-ErrorType`` or from the body, and retry
ThrottlingException after a pause that grows. API Gateway's own names and forms would reach callers
as unknown errors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from aws_cdk.aws_apigateway import ResponseType, RestApi

# API Gateway replaces these two; the second is a whole JSON string, quotes included.
_REQUEST_ID: Final = "$context.requestId"
_ITS_OWN: Final = "$context.error.messageString"
# https://docs.aws.amazon.com/rekognition/latest/dg/error-handling.html, under status 400
_SLOW_DOWN: Final = "Slow down; sudden increase in rate of requests."


@dataclass(frozen=True, slots=True)
class GatewayError:
    """An error that API Gateway returns without calling a function.

    Attributes:
        code: the error's name in the response.
        message: one sentence for the caller; by default API Gateway's own.
        status: HTTP status; AWS JSON services answer 400 to all mistakes of callers. An empty one
            leaves the choice to API Gateway.
    """

    code: str
    message: str = ""
    status: str = "400"

    @property
    def template(self) -> str:
        """The body, with API Gateway's variables in it."""
        named = json.dumps({"__type": self.code, "Code": self.code, "Logref": _REQUEST_ID})
        message = json.dumps(self.message) if self.message else _ITS_OWN
        return f'{named[:-1]}, "Message": {message}}}'


_SERVER: Final = GatewayError(
    "InternalServerError", "Internal server error. The request can be retried.", "500"
)
_LATE: Final = GatewayError(
    "InternalServerError",
    "The request took longer than the 29 seconds that the API allows; it can be retried.",
    "500",
)
_THROTTLED: Final = GatewayError("ThrottlingException", _SLOW_DOWN)
_INVALID: Final = GatewayError("ValidationException")
_DENIED: Final = GatewayError("AccessDeniedException")

# By API Gateway's names of its responses:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
ERRORS: Final[dict[str, GatewayError]] = {
    "ACCESS_DENIED": _DENIED,
    "API_CONFIGURATION_ERROR": _SERVER,
    "AUTHORIZER_CONFIGURATION_ERROR": _SERVER,
    "AUTHORIZER_FAILURE": _SERVER,
    "BAD_REQUEST_BODY": _INVALID,
    "BAD_REQUEST_PARAMETERS": _INVALID,
    # Of types that API Gateway may add; each keeps its own status.
    "DEFAULT_4XX": GatewayError("ValidationException", status=""),
    "DEFAULT_5XX": _SERVER,
    "EXPIRED_TOKEN": GatewayError("ExpiredTokenException"),
    "INTEGRATION_FAILURE": _SERVER,
    "INTEGRATION_TIMEOUT": _LATE,
    "INVALID_API_KEY": _DENIED,
    "INVALID_SIGNATURE": GatewayError("InvalidSignatureException"),
    # API Gateway returns this for a path that does not exist too.
    "MISSING_AUTHENTICATION_TOKEN": GatewayError(
        "MissingAuthenticationTokenException",
        "The request is not signed, or the API has no such path.",
    ),
    "QUOTA_EXCEEDED": _THROTTLED,
    "REQUEST_TOO_LARGE": GatewayError(
        "RequestEntityTooLargeException",
        "The request has more than the 10 MB that the API accepts.",
        "413",
    ),
    "RESOURCE_NOT_FOUND": GatewayError("UnknownOperationException"),
    "THROTTLED": _THROTTLED,
    "UNAUTHORIZED": _DENIED,
    "UNSUPPORTED_MEDIA_TYPE": GatewayError("SerializationException"),
    "WAF_FILTERED": GatewayError(
        "AccessDeniedException", "The firewall in front of the API refused the request."
    ),
}


def add_responses(rest: RestApi) -> None:
    """Give API Gateway's own errors the form of Rekognition's."""
    for kind, error in ERRORS.items():
        rest.add_gateway_response(
            kind,
            type=ResponseType.of(kind),
            status_code=error.status or None,
            # Quotes make it a value, not the name of a member of the request.
            response_headers={"x-amzn-ErrorType": f"'{error.code}'"},
            templates={"application/json": error.template},
        )
