"""moto's topics deliver to every subscription, and keep no message."""

from __future__ import annotations

from uuid import uuid4

import pytest
from moto.sns.exceptions import InvalidParameterValue
from moto.sns.models import SNSBackend
from moto.sns.models import sns_backends as topics_of
from moto.sqs.models import SQSBackend
from moto.sqs.models import sqs_backends as queues_of

from facedex_local.aws.moto_app import Moto

_ACCOUNT, _REGION = "123456789012", "eu-west-3"


@pytest.fixture
def sns() -> SNSBackend:
    Moto().load()
    Moto().load()  # as every server in a process does
    return topics_of[_ACCOUNT][_REGION]


@pytest.fixture
def sqs() -> SQSBackend:
    return queues_of[_ACCOUNT][_REGION]


def name() -> str:
    # moto's queues and topics belong to the process, including those of other tests.
    return f"done-{uuid4().hex}"


def subscribe(sns: SNSBackend, topic: str, queue: str) -> None:
    sns.subscribe(topic, f"arn:aws:sqs:{_REGION}:{_ACCOUNT}:{queue}", "sqs")


def test_a_subscribed_queue_that_does_not_exist_keeps_no_message_from_the_others(
    sns: SNSBackend, sqs: SQSBackend
) -> None:
    topic, others = sns.create_topic(name()).arn, [name(), name()]
    for queue in others:
        sqs.create_queue(queue)
    subscribe(sns, topic, others[0])
    subscribe(sns, topic, name())
    subscribe(sns, topic, others[1])
    sns.publish("finished", topic)
    assert [len(sqs.receive_message(queue, 10, 0, 60)) for queue in others] == [1, 1]


def test_a_published_message_is_not_kept(sns: SNSBackend) -> None:
    topic = sns.create_topic(name())
    sns.publish("finished", topic.arn)
    assert topic.sent_notifications == []


def test_a_message_that_is_not_for_all_protocols_is_refused(sns: SNSBackend) -> None:
    topic = sns.create_topic(name()).arn
    subscribe(sns, topic, name())
    with pytest.raises(InvalidParameterValue):
        sns.publish("{}", topic, message_structure="json")
