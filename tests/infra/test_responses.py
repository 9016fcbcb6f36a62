"""API Gateway's own errors, as callers' SDKs read them.

API Gateway's variables are replaced; the client is boto3.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from tests.infra.gateway import REQUEST_ID, Gateway, Mode
from tests.infra.synthesis import Properties, Synthesis

# API Gateway's own sentences have quotes in them at times.
_SENTENCE: Final = 'The "Credential" is unknown.'
_RESPONSES: Final = {
    "ACCESS_DENIED": (400, "AccessDeniedException"),
    "API_CONFIGURATION_ERROR": (500, "InternalServerError"),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, "InternalServerError"),
    "AUTHORIZER_FAILURE": (500, "InternalServerError"),
    "BAD_REQUEST_BODY": (400, "ValidationException"),
    "BAD_REQUEST_PARAMETERS": (400, "ValidationException"),
    "DEFAULT_4XX": (418, "ValidationException"),
    "DEFAULT_5XX": (500, "InternalServerError"),
    "EXPIRED_TOKEN": (400, "ExpiredTokenException"),
    "INTEGRATION_FAILURE": (500, "InternalServerError"),
    "INTEGRATION_TIMEOUT": (500, "InternalServerError"),
    "INVALID_API_KEY": (400, "AccessDeniedException"),
    "INVALID_SIGNATURE": (400, "InvalidSignatureException"),
    "MISSING_AUTHENTICATION_TOKEN": (400, "MissingAuthenticationTokenException"),
    "QUOTA_EXCEEDED": (400, "ThrottlingException"),
    "REQUEST_TOO_LARGE": (413, "RequestEntityTooLargeException"),
    "RESOURCE_NOT_FOUND": (400, "UnknownOperationException"),
    "THROTTLED": (400, "ThrottlingException"),
    "UNAUTHORIZED": (400, "AccessDeniedException"),
    "UNSUPPORTED_MEDIA_TYPE": (400, "SerializationException"),
    "WAF_FILTERED": (400, "AccessDeniedException"),
}
_RETRIED: Final = {"ThrottlingException", "InternalServerError"}


def _gateway(response: Properties, made: list[Gateway]) -> Gateway:
    """Return a gateway with a response of the template, as API Gateway renders it."""
    (body,) = response["ResponseTemplates"].values()
    body = body.replace("$context.requestId", REQUEST_ID)
    body = body.replace("$context.error.messageString", json.dumps(_SENTENCE))
    assert "$" not in body
    headers = {
        name.removeprefix("gatewayresponse.header."): value.removeprefix("'").removesuffix("'")
        for name, value in response["ResponseParameters"].items()
    }
    made.append(Gateway(int(response.get("StatusCode", 418)), headers, body))
    return made[-1]


def _responses(found: Synthesis) -> dict[str, Properties]:
    responses = found.resources("AWS::ApiGateway::GatewayResponse").values()
    return {each["ResponseType"]: each for each in responses}


def test_every_error_of_the_gateway_has_the_form_of_rekognitions(synthesis: Synthesis) -> None:
    responses = _responses(synthesis)
    assert responses.keys() == _RESPONSES.keys()
    for kind, response in responses.items():
        assert list(response["ResponseTemplates"]) == ["application/json"]
        template = response["ResponseTemplates"]["application/json"]
        body = json.loads(template.replace("$context.error.messageString", '"text"'))
        code = _RESPONSES[kind][1]
        assert body.keys() == {"__type", "Code", "Logref", "Message"}
        assert (body["__type"], body["Code"], body["Logref"]) == (code, code, "$context.requestId")
        assert response["ResponseParameters"] == {
            "gatewayresponse.header.x-amzn-ErrorType": f"'{code}'"
        }


def test_a_new_response_reaches_the_stage_with_a_new_deployment(default: Synthesis) -> None:
    (deployment,) = [
        each
        for each in default.template["Resources"].values()
        if each["Type"] == "AWS::ApiGateway::Deployment"
    ]
    responses = default.resources("AWS::ApiGateway::GatewayResponse")
    assert set(responses) <= set(deployment["DependsOn"])


@pytest.mark.parametrize("kind", _RESPONSES)
def test_boto3_raises_the_error_by_its_name(
    kind: str, default: Synthesis, gateways: list[Gateway]
) -> None:
    gateway = _gateway(_responses(default)[kind], gateways)
    client = gateway.client("standard", attempts=1)
    with pytest.raises(ClientError) as raised:
        client.list_collections()
    status, code = _RESPONSES[kind]
    response: Any = raised.value.response
    assert response["Error"]["Code"] == code
    assert response["Error"]["Message"].endswith(".")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["ResponseMetadata"]["RequestId"] == REQUEST_ID
    assert gateway.requests == 1
    modelled = getattr(client.exceptions, code, None) if code in _MODELLED else ClientError
    assert type(raised.value) is modelled


_MODELLED: Final = {"AccessDeniedException", "InternalServerError", "ThrottlingException"}


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("kind", ["THROTTLED", "INTEGRATION_TIMEOUT", "ACCESS_DENIED"])
def test_boto3_retries_what_may_succeed_later_and_nothing_else(
    kind: str, mode: Mode, default: Synthesis, gateways: list[Gateway]
) -> None:
    gateway = _gateway(_responses(default)[kind], gateways)
    gateway.refused = 1
    client = gateway.client(mode, attempts=2)
    if _RESPONSES[kind][1] in _RETRIED:
        assert client.list_collections()["CollectionIds"] == ["staff"]
        assert gateway.requests == 2
    else:
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.list_collections()
        assert gateway.requests == 1
