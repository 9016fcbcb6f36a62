"""Photos and films that are put into the uploads bucket."""

from __future__ import annotations

import json

from tests.deployed.account import Stack, wait_for
from tests.e2e.films import moving


def test_a_photo_is_found_a_moment_after_its_upload(
    stack: Stack, portraits: dict[str, bytes]
) -> None:
    rekognition, s3 = stack.caller(), stack.emulator.client("s3")
    rekognition.create_collection(CollectionId="uploaded")
    s3.put_object(Bucket=stack.uploads, Key="uploaded/ann.jpg", Body=portraits["eileen"])

    def names() -> list[str]:
        faces = rekognition.list_faces(CollectionId="uploaded")["Faces"]
        return [face["ExternalImageId"] for face in faces]

    assert wait_for(names, "the face") == ["ann"]
    rekognition.delete_collection(CollectionId="uploaded")


def test_a_damaged_photo_becomes_a_dead_letter(stack: Stack) -> None:
    rekognition, s3 = stack.caller(), stack.emulator.client("s3")
    rekognition.create_collection(CollectionId="poisoned")
    s3.put_object(Bucket=stack.uploads, Key="poisoned/ann.jpg", Body=b"no photo")
    sqs, queue = stack.emulator.client("sqs"), stack.queue("UploadsDeadLetters")

    def dead() -> list[str]:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", ())
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [each["Body"] for each in messages if "poisoned/ann.jpg" in each["Body"]]

    assert len(wait_for(dead, "the dead letter")) == 1
    rekognition.delete_collection(CollectionId="poisoned")


def test_workers_search_a_film_and_announce_its_end(
    stack: Stack, portraits: dict[str, bytes]
) -> None:
    rekognition, s3 = stack.caller(), stack.emulator.client("s3")
    sns, sqs = stack.emulator.client("sns"), stack.emulator.client("sqs")
    topic = sns.create_topic(Name="done")["TopicArn"]
    queue = sqs.create_queue(QueueName="done")["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    address = answer["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": address,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=address)
    rekognition.create_collection(CollectionId="lobby")
    rekognition.index_faces(
        CollectionId="lobby", Image={"Bytes": portraits["eileen"]}, ExternalImageId="eileen"
    )
    film = moving(portraits, "eileen", seconds=3)
    s3.put_object(Bucket=stack.uploads, Key="lobby/film.mp4", Body=film)
    job = rekognition.start_face_search(
        Video={"S3Object": {"Bucket": stack.uploads, "Name": "lobby/film.mp4"}},
        CollectionId="lobby",
        NotificationChannel={"SNSTopicArn": topic, "RoleArn": "arn:aws:iam::000000000000:role/any"},
    )["JobId"]
    (message,) = wait_for(
        lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"),
        "the notification",
        seconds=120,
    )
    said = json.loads(json.loads(message["Body"])["Message"])
    assert (said["JobId"], said["Status"]) == (job, "SUCCEEDED")
    searched = rekognition.get_face_search(JobId=job)
    matches = [match for person in searched["Persons"] for match in person.get("FaceMatches", [])]
    assert {match["Face"]["ExternalImageId"] for match in matches} == {"eileen"}
    sqs.delete_queue(QueueUrl=queue)
    rekognition.delete_collection(CollectionId="lobby")
