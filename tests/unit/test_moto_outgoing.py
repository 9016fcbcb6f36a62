"""The stand-ins call no address and run no code on a client's word, except as the user allows."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
import requests
import urllib3
from botocore.exceptions import ClientError

from facedex_local.aws import moto_outgoing
from facedex_local.aws.moto_app import Moto
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi

ROLE = "arn:aws:iam::123456789012:role/any"


class Stranger:
    """A foreign server, which records what arrives and redirects to another path."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, bytes]] = []

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange.read(1 << 20)
        self.arrived.append((exchange.environ["REQUEST_URI"], body or b""))
        await exchange.answer(Answer(307, [("Location", "/redirected")], b""))


@pytest.fixture
def stranger() -> Stranger:
    return Stranger()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


def serve(stack: ExitStack, application: Any) -> str:
    listener = Listener(application, host="127.0.0.1", port=0, threads=4)
    listener.start()
    stack.callback(listener.stop)
    return listener.url


@pytest.fixture
def address(stack: ExitStack, stranger: Stranger) -> str:
    return serve(stack, stranger)


def client(name: str, url: str) -> Any:
    session: Any = boto3.Session("testing", "testing", region_name="us-east-1")
    return session.client(name, endpoint_url=url)


def published(url: str, endpoint: str, protocol: str = "http") -> None:
    sns = client("sns", url)
    topic = sns.create_topic(Name="faces")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    sns.publish(TopicArn=topic, Message="found")
    sns.delete_topic(TopicArn=topic)


def test_sns_subscribes_no_address_that_is_not_allowed(
    stack: ExitStack, stranger: Stranger, address: str
) -> None:
    url = serve(stack, Wsgi(Moto([f"{address}/hook"])))
    for endpoint in (address, f"{address}/hook/more", f"{address}/hook?a", "http://[::1]:1/"):
        with pytest.raises(ClientError) as raised:
            published(url, endpoint)
        error = raised.value.response["Error"]
        assert error["Code"] == "AuthorizationError"
        assert "--allow-sns-endpoint" in error["Message"]
    assert stranger.arrived == []


@pytest.mark.parametrize("protocol", ["lambda", "firehose"])
def test_sns_subscribes_no_functions(stack: ExitStack, protocol: str) -> None:
    url = serve(stack, Wsgi(Moto()))
    with pytest.raises(ClientError, match="AuthorizationError"):
        published(url, "arn:aws:lambda:us-east-1:123456789012:function:any", protocol)


def test_sns_delivers_to_an_allowed_address_and_follows_no_redirection(
    stack: ExitStack, stranger: Stranger, address: str
) -> None:
    published(serve(stack, Wsgi(Moto([f"{address}/hook"]))), f"{address}/hook")
    ((path, body),) = stranger.arrived
    assert path == "/hook"
    assert json.loads(body)["Message"] == "found"


def test_sns_survives_an_allowed_address_that_does_not_answer(
    stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = "http://127.0.0.1:1/\x1b[2J"
    with caplog.at_level(logging.WARNING, "facedex"):
        published(serve(stack, Wsgi(Moto([endpoint]))), endpoint)
    assert "127.0.0.1:1/\\x1b[2J: ConnectionError" in caplog.text


def test_a_subscription_made_before_is_not_served(
    stack: ExitStack, stranger: Stranger, address: str
) -> None:
    url = serve(stack, Wsgi(Moto([address])))
    sns = client("sns", url)
    topic = sns.create_topic(Name="kept")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=address)
    moto_outgoing.confine([])
    sns.publish(TopicArn=topic, Message="found")
    sns.delete_topic(TopicArn=topic)
    assert stranger.arrived == []


def test_sns_delivers_to_sqs(stack: ExitStack) -> None:
    url = serve(stack, Wsgi(Moto()))
    sqs = client("sqs", url)
    queue = sqs.create_queue(QueueName="faces")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:faces"
    published(url, arn, "sqs")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == "found"


def test_firehose_delivers_to_no_address(
    stack: ExitStack, stranger: Stranger, address: str
) -> None:
    firehose = client("firehose", serve(stack, Wsgi(Moto())))
    firehose.create_delivery_stream(
        DeliveryStreamName="faces",
        HttpEndpointDestinationConfiguration={
            "EndpointConfiguration": {"Url": address},
            "S3Configuration": {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::any"},
        },
    )
    with pytest.raises(ClientError) as raised:
        firehose.put_record(DeliveryStreamName="faces", Record={"Data": b"found"})
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "does not call 127.0.0.1" in raised.value.response["Error"]["Message"]
    assert stranger.arrived == []


def test_events_are_sent_to_no_address(
    stack: ExitStack, stranger: Stranger, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_EVENTS_INVOKE_HTTP", "true")
    events = client("events", serve(stack, Wsgi(Moto())))
    connection = events.create_connection(
        Name="any",
        AuthorizationType="API_KEY",
        AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "a", "ApiKeyValue": "b"}},
    )["ConnectionArn"]
    destination = events.create_api_destination(
        Name="any",
        ConnectionArn=connection,
        InvocationEndpoint=address,
        HttpMethod="POST",
    )["ApiDestinationArn"]
    events.put_rule(Name="any", EventPattern=json.dumps({"source": ["any"]}))
    events.put_targets(Rule="any", Targets=[{"Id": "any", "Arn": destination}])
    with pytest.raises(ClientError, match="AccessDeniedException"):
        events.put_events(Entries=[{"Source": "any", "DetailType": "any", "Detail": "{}"}])
    assert stranger.arrived == []


def test_functions_are_not_run(stack: ExitStack) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("code.py", "def handler(event, context): return 'ran'")
    url = serve(stack, Wsgi(Moto()))
    role = client("iam", url).create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]
    functions = client("lambda", url)
    functions.create_function(
        FunctionName="any",
        Runtime="python3.13",
        Role=role["Arn"],
        Handler="code.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    assert b"ran" not in functions.invoke(FunctionName="any")["Payload"].read()


def test_no_container_is_started() -> None:
    Moto().load()
    from moto.utilities.docker_utilities import DockerModel

    with pytest.raises(PermissionError):
        _ = DockerModel().docker_client


def test_only_the_thread_of_a_stand_in_is_confined(address: str, stranger: Stranger) -> None:
    Moto().load()
    with moto_outgoing.confined():
        with pytest.raises(requests.ConnectionError):
            requests.post(address, b"-", timeout=5)
        assert moto_outgoing.refused_address() == address.removeprefix("http://")
    assert urllib3.request("POST", address, redirect=False).status == 307
    assert len(stranger.arrived) == 1
