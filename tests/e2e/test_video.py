"""Faces in stored video: jobs are started, announced, and answered page by page."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.films import ROLE, Studio, moving, names

MISSING_TOPIC = "arn:aws:sns:us-east-1:123456789012:AmazonRekognition-nowhere"


def test_both_people_are_found_as_one_person_each(
    studio: Studio, found: str, portraits: dict[str, bytes]
) -> None:
    answer = studio.rekognition.get_face_search(JobId=found)
    assert list(names(answer["Persons"]).values()) == [{name} for name in portraits]
    assert answer["JobTag"] == "lobby"
    assert answer["Video"]["S3Object"]["Name"] == "both.mp4"
    metadata = answer["VideoMetadata"]
    assert (metadata["FrameWidth"], metadata["FrameHeight"]) == (640, 360)
    assert metadata["Codec"] == "h264"
    assert abs(metadata["DurationMillis"] - 3000) <= 100


def test_a_person_is_listed_at_each_analysed_timestamp(studio: Studio, found: str) -> None:
    persons = studio.rekognition.get_face_search(JobId=found)["Persons"]
    moments = [each["Timestamp"] for each in persons if each["Person"]["Index"] == 0]
    assert moments == sorted(set(moments))
    assert len(moments) == 15  # five times a second
    lefts = [each["Person"]["BoundingBox"]["Left"] for each in persons[::2]]
    assert lefts[-1] > lefts[0]
    face = persons[0]["Person"]["Face"]
    assert {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"} == set(face)


def test_pages_join_to_the_complete_result_in_either_order(studio: Studio, found: str) -> None:
    for order in ("TIMESTAMP", "INDEX"):
        whole = studio.rekognition.get_face_search(JobId=found, SortBy=order)["Persons"]
        joined: list[Any] = []
        token = ""
        while True:
            page = studio.rekognition.get_face_search(
                JobId=found, SortBy=order, MaxResults=7, NextToken=token
            )
            joined += page["Persons"]
            token = page.get("NextToken", "")
            if not token:
                break
        assert joined == whole
        key = "Timestamp" if order == "TIMESTAMP" else "Index"
        values = [each.get(key, each["Person"].get(key)) for each in whole]
        assert values == sorted(values)


def test_a_page_token_of_one_order_is_refused_in_the_other(studio: Studio, found: str) -> None:
    client = studio.rekognition
    token = client.get_face_search(JobId=found, MaxResults=3)["NextToken"]
    with pytest.raises(client.exceptions.InvalidPaginationTokenException):
        client.get_face_search(JobId=found, SortBy="INDEX", NextToken=token)


def test_faces_are_detected_without_a_collection(studio: Studio, both: bytes) -> None:
    client = studio.rekognition
    job_id = client.start_face_detection(Video=studio.put("faces.mp4", both))["JobId"]
    answer = studio.wait(job_id, "get_face_detection")
    assert answer["JobStatus"] == "SUCCEEDED"
    assert len(answer["Faces"]) == 30
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_face_search(JobId=job_id)


def test_a_threshold_above_every_similarity_returns_persons_without_matches(
    studio: Studio, both: bytes
) -> None:
    answer = studio.wait(studio.start(studio.put("strict.mp4", both), FaceMatchThreshold=100))
    assert all("FaceMatches" not in each or each["FaceMatches"] for each in answer["Persons"])
    assert len(names(answer["Persons"])) == 2


def test_the_end_is_published_once_in_rekognitions_format(studio: Studio, both: bytes) -> None:
    sns, sqs = studio.server.client("sns"), studio.server.client("sqs")
    topic = sns.create_topic(Name=f"AmazonRekognition-{studio.name}")["TopicArn"]
    queue = sqs.create_queue(QueueName=studio.name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
    channel = {"SNSTopicArn": topic, "RoleArn": ROLE}
    good = studio.start(
        studio.put("announced.mp4", both), NotificationChannel=channel, JobTag="tagged"
    )
    bad = studio.start(studio.put("none.mp4", b""), NotificationChannel=channel)
    messages: dict[str, list[Any]] = {}
    quiet = 0
    while len(messages) < 2 or quiet < 2:
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=3, MaxNumberOfMessages=10)
        quiet = 0 if "Messages" in answer else quiet + 1
        assert quiet < 60
        for each in answer.get("Messages", ()):
            message = json.loads(json.loads(each["Body"])["Message"])
            messages.setdefault(message["JobId"], []).append(message)
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
    assert {job: len(sent) for job, sent in messages.items()} == {good: 1, bad: 1}
    notice = messages[good][0]
    assert notice.pop("Timestamp") > 1_600_000_000_000
    assert notice == {
        "JobId": good,
        "Status": "SUCCEEDED",
        "API": "StartFaceSearch",
        "JobTag": "tagged",
        "Video": {"S3ObjectName": "announced.mp4", "S3Bucket": studio.name},
    }
    assert messages[bad][0]["Status"] == "FAILED"


@pytest.mark.parametrize("topic", [MISSING_TOPIC, MISSING_TOPIC.replace("us-east-1", "eu-west-1")])
def test_a_missing_topic_is_refused_at_the_start(studio: Studio, both: bytes, topic: str) -> None:
    client = studio.rekognition
    video = studio.put("missing topic.mp4", both)
    channel = {"SNSTopicArn": topic, "RoleArn": ROLE}
    with pytest.raises(client.exceptions.InvalidParameterException, match="does not exist"):
        studio.start(video, NotificationChannel=channel)
    with pytest.raises(client.exceptions.InvalidParameterException, match="does not exist"):
        client.start_face_detection(Video=video, NotificationChannel=channel)


def test_a_repeated_start_returns_the_job_even_if_its_topic_was_deleted(
    studio: Studio, both: bytes
) -> None:
    sns = studio.server.client("sns")
    topic = sns.create_topic(Name=f"AmazonRekognition-passing-{studio.name}")["TopicArn"]
    video = studio.put("passing topic.mp4", both)
    members = {
        "NotificationChannel": {"SNSTopicArn": topic, "RoleArn": ROLE},
        "ClientRequestToken": f"passing-{studio.name[-20:]}",
    }
    job_id = studio.start(video, **members)
    sns.delete_topic(TopicArn=topic)
    assert studio.start(video, **members) == job_id
    assert studio.wait(job_id)["JobStatus"] == "SUCCEEDED"


def test_a_repeated_token_starts_nothing_new(studio: Studio, both: bytes) -> None:
    client = studio.rekognition
    video = studio.put("token.mp4", both)
    token = f"token-{studio.name[-20:]}"
    first = studio.start(video, ClientRequestToken=token)
    assert studio.start(video, ClientRequestToken=token) == first
    with pytest.raises(client.exceptions.IdempotentParameterMismatchException):
        studio.start(video, ClientRequestToken=token, FaceMatchThreshold=99)
    studio.wait(first)


def test_an_invalid_start_is_refused_immediately(studio: Studio, both: bytes) -> None:
    client = studio.rekognition
    video = studio.put("there.mp4", both)
    nowhere = {"S3Object": {"Bucket": studio.name, "Name": "not-there.mp4"}}
    with pytest.raises(client.exceptions.InvalidS3ObjectException):
        studio.start(nowhere)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        studio.start(video, CollectionId="nobody")
    with pytest.raises(client.exceptions.InvalidParameterException):
        studio.start({})
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_face_search(JobId="0" * 64)


def test_forty_concurrent_jobs_all_succeed(studio: Studio, portraits: dict[str, bytes]) -> None:
    name = next(iter(portraits))
    video = studio.put("short.mp4", moving(portraits, name, seconds=1))
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: studio.start(video), range(40)))
    assert len(set(started)) == 40
    for job_id in started:
        answer = studio.wait(job_id)
        assert answer["JobStatus"] == "SUCCEEDED"
        assert names(answer["Persons"]) == {0: {name}}
        assert len(answer["Persons"]) == 5
