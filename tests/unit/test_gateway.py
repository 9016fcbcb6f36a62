"""Requests are converted into API Gateway's events, and results into HTTP responses."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from facedex_local.http import gateway, routes, server
from tests.unit.asking import ask, environ

_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{service}/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=00"
)


def event_of(request: dict[str, Any]) -> dict[str, Any]:
    route = routes.find(request)
    assert route is not None
    body = request["wsgi.input"].read()
    return gateway.request_event(
        request, body, resource=route.resource, parameters=route.parameters
    )


def test_an_event_has_every_field_of_the_rest_api_format() -> None:
    request = environ(
        "GET",
        "/v1/collections/my%20staff/faces?MaxResults=5&UserId=a&UserId=b&NextToken=",
        host="127.0.0.1:9000",
        user_agent="Boto3/1.44",
    )
    raw = event_of(request)
    event = APIGatewayProxyEvent(raw)
    context = event.request_context
    assert event.resource == "/v1/collections/{CollectionId}/faces"
    assert event.path == "/v1/collections/my%20staff/faces"
    assert event.http_method == context.http_method == "GET"
    assert event.path_parameters == {"CollectionId": "my staff"}
    assert event.query_string_parameters == {"MaxResults": "5", "UserId": "b", "NextToken": ""}
    assert event.multi_value_query_string_parameters["UserId"] == ["a", "b"]
    assert event.headers["user-agent"] == "Boto3/1.44"
    assert event.multi_value_headers["User-Agent"] == ["Boto3/1.44"]
    assert event.headers["X-Forwarded-Proto"] == "http"
    assert event.stage_variables == {}
    assert event.body is None
    assert event.is_base64_encoded is False
    assert context.resource_path == "/v1/collections/{CollectionId}/faces"
    assert context.path == "/local/v1/collections/my%20staff/faces"
    assert context.stage == "local"
    assert context.account_id == "123456789012"
    assert context.api_id
    assert context.request_id
    assert context.protocol == "HTTP/1.1"
    assert context.identity.source_ip == "127.0.0.1"
    assert context.identity.user_agent == "Boto3/1.44"
    assert context.request_time_epoch > 1_700_000_000_000
    # The top-level fields of the sample event at https://docs.aws.amazon.com/apigateway.
    assert set(raw) == {
        "resource",
        "path",
        "httpMethod",
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "requestContext",
        "body",
        "isBase64Encoded",
    }
    json.dumps(raw)


def test_absent_parameters_are_null_as_api_gateway_sends_them() -> None:
    event = event_of(environ("POST", "/", body=b"{}"))
    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None
    assert event["pathParameters"] is None


def test_json_travels_as_text() -> None:
    body = '{"CollectionId":"büro"}'
    event = event_of(
        environ("POST", "/", body=body.encode(), content_type="application/x-amz-json-1.1")
    )
    assert event["body"] == body
    assert event["isBase64Encoded"] is False


def test_an_image_travels_as_base64() -> None:
    event = event_of(
        environ("POST", "/v1/faces/detect", body=b"\xff\xd8\xff\x00", content_type="image/jpeg")
    )
    assert base64.b64decode(event["body"]) == b"\xff\xd8\xff\x00"
    assert event["isBase64Encoded"] is True


def test_a_body_that_is_not_utf_8_is_not_changed() -> None:
    body = b'{"CollectionId":"b\xfcro"}'
    event = event_of(environ("POST", "/", body=body, content_type="application/x-amz-json-1.1"))
    assert base64.b64decode(event["body"]) == body
    assert event["isBase64Encoded"] is True


def test_an_encoded_slash_stays_inside_its_path_segment() -> None:
    route = routes.find(environ("GET", "/v1/collections/a%2Fb"))
    assert route is not None
    assert route.name == "DescribeCollection"
    assert route.parameters == {"CollectionId": "a/b"}


def test_an_answer_keeps_status_headers_and_repeated_headers() -> None:
    def function(_event: object, _context: object) -> Mapping[str, Any]:
        return {
            "statusCode": 201,
            "headers": {"Content-Type": "application/json"},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": '{"é":1}',
        }

    answer = gateway.invoke(function, {}, function="index_faces", timeout=29, memory=512)
    assert answer.line == "201 Created"
    assert answer.headers == [
        ("Content-Type", "application/json"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]
    assert answer.body == '{"é":1}'.encode()


def test_a_base64_answer_is_sent_as_bytes() -> None:
    def function(_event: object, _context: object) -> Mapping[str, Any]:
        body = base64.b64encode(b"\x89PNG").decode()
        return {"statusCode": 200, "body": body, "isBase64Encoded": True}

    answer = gateway.invoke(function, {}, function="show", timeout=29, memory=512)
    assert answer.body == b"\x89PNG"


def test_the_context_is_what_powertools_reads(capsys: pytest.CaptureFixture[str]) -> None:
    logger = Logger(service="test", level="INFO")
    seen: list[Any] = []

    @logger.inject_lambda_context
    def function(_event: dict[str, Any], context: Any) -> Mapping[str, Any]:
        logger.info("called")
        seen.append(context)
        return {"statusCode": 200, "body": ""}

    gateway.invoke(function, {}, function="index_faces", timeout=29, memory=1769)
    line = json.loads(capsys.readouterr().out)
    assert line["function_name"] == "facedex-index_faces"
    assert line["function_memory_size"] == 1769
    assert line["function_arn"].endswith(":function:facedex-index_faces")
    assert line["function_request_id"] == seen[0].aws_request_id
    assert 20_000 < seen[0].get_remaining_time_in_millis() <= 29_000


@pytest.mark.parametrize(
    "request_",
    [
        environ("POST", "/", x_amz_target="RekognitionService.ListCollections"),
        environ("POST", "/", authorization=_AUTHORIZATION.format(service="rekognition")),
        environ("POST", "/?X-Amz-Credential=k%2F20260101%2Feu-west-1%2Frekognition%2Faws4_request"),
        environ("GET", "/v1/collections"),
        environ(
            "GET", "/v1/collections", authorization=_AUTHORIZATION.format(service="execute-api")
        ),
    ],
    ids=["target", "signature", "presigned", "path", "signed for the gateway"],
)
def test_requests_for_rekognition_are_ours(request_: dict[str, Any]) -> None:
    assert routes.is_ours(request_)


@pytest.mark.parametrize(
    "request_",
    [
        environ("GET", "/"),
        environ("GET", "/v1/key", authorization=_AUTHORIZATION.format(service="s3")),
        environ("GET", "/v1/k?X-Amz-Credential=k%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"),
        environ(
            "POST",
            "/",
            x_amz_target="AmazonSQS.SendMessage",
            authorization=_AUTHORIZATION.format(service="sqs"),
        ),
        environ("GET", "/health", authorization=_AUTHORIZATION.format(service="s3")),
    ],
    ids=["unsigned", "bucket named v1", "presigned", "target", "bucket named health"],
)
def test_requests_for_other_services_are_passed_on(request_: dict[str, Any]) -> None:
    assert ask(request_)[2] == b"elsewhere"


def test_health_is_asked_without_a_signature() -> None:
    status, _, body = ask(environ("GET", "/health"))
    assert (status, body) == ("200 OK", b'{"status": "ok"}')


def test_a_route_that_does_not_exist_is_named() -> None:
    status, headers, body = ask(environ("GET", "/v1/colections"))
    assert status == "404 Not Found"
    assert headers["x-amzn-RequestId"]
    assert json.loads(body) == {
        "__type": "UnknownOperationException",
        "Code": "UnknownOperationException",
        "Logref": headers["x-amzn-RequestId"],
        "Message": "There is no operation at GET /v1/colections.",
    }


def test_a_path_that_lacks_a_method_says_which_it_takes() -> None:
    status, headers, body = ask(environ("PATCH", "/v1/collections"))
    assert status == "405 Method Not Allowed"
    assert headers["Allow"] == "POST, GET"
    assert json.loads(body) == {
        "__type": "UnknownOperationException",
        "Code": "UnknownOperationException",
        "Logref": headers["x-amzn-RequestId"],
        "Message": "There is no operation at PATCH /v1/collections; the path accepts POST, GET.",
    }


def test_pages_are_for_unsigned_readers_only() -> None:
    status, headers, body = ask(environ("GET", "/openapi.json"))
    assert (status, headers["Content-Type"]) == ("200 OK", "application/json")
    assert json.loads(body)["openapi"] == "3.1.0"
    signed = environ("GET", "/docs", authorization=_AUTHORIZATION.format(service="s3"))
    assert ask(signed)[2] == b"elsewhere"


@pytest.mark.parametrize("name", ["", "/", "/start.js", "/swagger-ui-bundle.js", "/swagger-ui.css"])
def test_the_docs_load_nothing_from_other_hosts(name: str) -> None:
    status, headers, body = ask(environ("GET", f"/docs{name}"))
    assert (status, body != b"elsewhere") == ("200 OK", True)
    assert "script-src 'self';" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["/../pages.py", "/%2e%2e/pages.py", "/nothing.js"])
def test_the_docs_route_serves_no_other_files(name: str) -> None:
    assert ask(environ("GET", f"/docs{name}"))[2] == b"elsewhere"


def test_a_body_over_the_limit_is_refused() -> None:
    request = environ(
        "POST",
        "/",
        body=bytes(server.BODY_LIMIT + 1),
        x_amz_target="RekognitionService.DetectFaces",
    )
    status, _, body = ask(request)
    assert status.startswith("413 ")
    assert json.loads(body)["__type"] == "RequestEntityTooLargeException"


def test_invoke_raises_the_error_of_the_function() -> None:
    def function(_event: object, _context: object) -> Mapping[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gateway.invoke(function, {}, function="show", timeout=29, memory=512)
    with pytest.raises(KeyError):
        gateway.invoke(lambda *_: {}, {}, function="show", timeout=29, memory=512)


def test_a_failing_function_returns_an_error_that_sdks_recognise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = ModuleType("facedex_functions.list_collections.handler")
    broken.lambda_handler = lambda *_: {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, broken.__name__, broken)
    status, _, body = ask(environ("GET", "/v1/collections"))
    assert status == "500 Internal Server Error"
    assert json.loads(body)["__type"] == "InternalServerError"
