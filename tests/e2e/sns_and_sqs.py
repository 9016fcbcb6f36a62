"""A program for Amazon Rekognition that searches a stored video and waits for SNS and SQS.

It makes the calls of the developer guide's Python example (Analyzing a video stored in an Amazon S3
bucket, and Searching stored videos for faces), in the same order. Nothing in it is specific to
Facedex:

    python sns_and_sqs.py BUCKET VIDEO COLLECTION ROLE_ARN
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import boto3


class VideoSearch:
    """One search, from the topic to the last page of results."""

    def __init__(self, bucket: str, video: str, collection: str, role: str) -> None:
        self.rekognition = boto3.client("rekognition")
        self.sns, self.sqs = boto3.client("sns"), boto3.client("sqs")
        self.bucket, self.video, self.collection, self.role = bucket, video, collection, role

    def make_topic_and_queue(self) -> None:
        """Create a topic, and a queue that is subscribed to it and accepts its messages."""
        name = f"AmazonRekognitionExample{time.time_ns()}"
        self.topic = self.sns.create_topic(Name=name)["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        queue_arn = arn["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue_arn)
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": "SQS:SendMessage",
                    "Resource": queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
                }
            ],
        }
        self.sqs.set_queue_attributes(
            QueueUrl=self.queue, Attributes={"Policy": json.dumps(policy)}
        )

    def start(self) -> None:
        """Start the search."""
        self.job = self.rekognition.start_face_search(
            Video={"S3Object": {"Bucket": self.bucket, "Name": self.video}},
            CollectionId=self.collection,
            NotificationChannel={"RoleArn": self.role, "SNSTopicArn": self.topic},
        )["JobId"]

    def succeeds(self) -> bool:
        """Wait for the job's message in the queue, and return whether the job succeeded."""
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.queue, MessageAttributeNames=["ALL"], MaxNumberOfMessages=10
            )
            for message in answer.get("Messages", ()):
                notice = json.loads(json.loads(message["Body"])["Message"])
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                if notice["JobId"] == self.job:
                    return bool(notice["Status"] == "SUCCEEDED")
            time.sleep(0.1)

    def results(self) -> list[Any]:
        """Return all persons, in pages of ten entries, and print the video's properties."""
        persons: list[Any] = []
        token, finished = "", False
        while not finished:
            page = self.rekognition.get_face_search(JobId=self.job, MaxResults=10, NextToken=token)
            film = page["VideoMetadata"]
            print(film["Codec"], film["DurationMillis"], film["Format"], film["FrameRate"])
            persons += page["Persons"]
            token = page.get("NextToken", "")
            finished = "NextToken" not in page
        return persons

    def delete_topic_and_queue(self) -> None:
        """Delete the topic and the queue."""
        self.sqs.delete_queue(QueueUrl=self.queue)
        self.sns.delete_topic(TopicArn=self.topic)


def main() -> None:
    """Search the video named on the command line, and print the time of each person's face."""
    search = VideoSearch(*sys.argv[1:])
    search.make_topic_and_queue()
    search.start()
    if search.succeeds():
        for each in search.results():
            print("Person", each["Person"]["Index"], "at", each["Timestamp"])
            for match in each.get("FaceMatches", ()):
                print("Face", match["Face"]["FaceId"], match["Similarity"])
    search.delete_topic_and_queue()


if __name__ == "__main__":
    main()
