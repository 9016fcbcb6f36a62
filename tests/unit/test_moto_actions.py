"""moto takes an operation from where the protocol has it, and not from texts in a body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi

REGION = "eu-west-2"  # moto keeps its queues and streams in the process, which tests share


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    moto = Moto()
    moto.load()
    listener = Listener(Wsgi(moto), host="127.0.0.1", port=0, threads=2)
    listener.start()
    yield listener.url
    listener.stop()


def client(name: str, url: str) -> Any:
    session: Any = boto3.Session("testing", "testing", region_name=REGION)
    return session.client(name, endpoint_url=url)


def test_a_message_that_looks_like_a_request_is_delivered(url: str) -> None:
    sqs = client("sqs", url)
    queue = sqs.create_queue(QueueName="texts")["QueueUrl"]
    text = f"https://example.com/?a=b&Action=DeleteQueue&QueueUrl={queue}&c"
    sqs.send_message(QueueUrl=queue, MessageBody=text)
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == text


def test_a_text_in_a_reading_request_deletes_no_stream(url: str) -> None:
    kinesis = client("kinesis", url)
    kinesis.create_stream(StreamName="texts", ShardCount=1)
    kinesis.list_tags_for_stream(StreamName="texts", ExclusiveStartTagKey="&Action=DeleteStream&")
    assert kinesis.list_streams()["StreamNames"] == ["texts"]


def test_a_text_in_a_request_of_a_rest_service_deletes_no_stream(url: str) -> None:
    video = client("kinesisvideo", url)
    video.create_stream(StreamName="texts", DataRetentionInHours=1, Tags={})
    condition = {"ComparisonOperator": "BEGINS_WITH", "ComparisonValue": "&Action=DeleteStream&"}
    video.list_streams(StreamNameCondition=condition)
    assert [each["StreamName"] for each in video.list_streams()["StreamInfoList"]] == ["texts"]


def test_services_of_the_query_protocol_still_work(url: str) -> None:
    sns = client("sns", url)
    arn = sns.create_topic(Name="texts")["TopicArn"]
    assert sns.publish(TopicArn=arn, Message="&Action=DeleteTopic&")["MessageId"]
    assert [each["TopicArn"] for each in sns.list_topics()["Topics"]] == [arn]
