"""Video jobs: each ends once, with the results of an undisturbed run, and its message is sent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from tests.campaign.tally import Tally
from tests.conftest import client_of
from tests.e2e.films import moving
from tests.e2e.restarting import Machine

COLLECTION = "studio"
# Maximum seconds until a job ends: after a kill of the server, a lease on a part of the film has to
# expire, which takes a minute, and the next worker may be killed too.
PATIENCE = 600.0
_NOTICE = 90.0  # maximum seconds until the message about a job's end arrives
_SECONDS, _RATE = 8, 5  # of the film
_BUCKET = "films"
_ROLE = "arn:aws:iam::123456789012:role/rekognition"


class Jobs:
    """A client that searches one film again and again.

    The film is in an S3 that outlives the server; so are the topic and the queue.
    """

    def __init__(
        self, machine: Machine, storage: str, portraits: Mapping[str, bytes], tally: Tally
    ) -> None:
        self._tally = tally
        self._rekognition = machine.client("rekognition")
        self._rekognition.create_collection(CollectionId=COLLECTION)
        for name, portrait in portraits.items():
            image = {"Bytes": portrait}
            self._rekognition.index_faces(
                CollectionId=COLLECTION, Image=image, ExternalImageId=name, MaxFaces=1
            )
        s3 = client_of(storage, "s3")
        s3.create_bucket(Bucket=_BUCKET)
        film = moving(dict(portraits), *portraits, seconds=_SECONDS, rate=_RATE)
        s3.put_object(Bucket=_BUCKET, Key="film.mp4", Body=film)
        self._topic, self._queue, self._sqs = _subscribe(storage)
        self._ended: set[str] = set()
        self._expected = self._result(self._wait(self._start()))

    def step(self) -> None:
        """Search the film once, and compare the results."""
        self._tally.attempt()
        job_id = self._start()
        answer = self._wait(job_id)
        self._tally.note(f"jobs {answer['JobStatus']}")
        self._tally.check()
        if answer["JobStatus"] == "FAILED" and answer.get("StatusMessage"):
            self._tally.refuse("job FAILED")  # after so many dead workers that it was given up
        elif answer["JobStatus"] != "SUCCEEDED":
            self._tally.lose(f"The job {job_id} did not end, or failed without a reason.")
        elif self._result(answer) != self._expected:
            self._tally.lose(f"The job {job_id} has other results than an undisturbed one.")
        else:
            self._tally.answer()
        self._ended.add(job_id)

    def finish(self) -> None:
        """Check that a message was sent about the end of each job."""
        end = time.monotonic() + _NOTICE
        missing = set(self._ended)
        while missing and time.monotonic() < end:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for message in answer.get("Messages", ()):
                missing.discard(json.loads(json.loads(message["Body"])["Message"])["JobId"])
                self._sqs.delete_message(
                    QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"]
                )
        self._tally.check(len(self._ended))
        if missing:
            self._tally.lose(f"No message was sent about the end of {sorted(missing)}.")

    def _start(self) -> str:
        """Start a job; after a lost answer, ask for the same job again."""
        token = uuid4().hex
        answer = self._until_answered(
            lambda: self._rekognition.start_face_search(
                Video={"S3Object": {"Bucket": _BUCKET, "Name": "film.mp4"}},
                CollectionId=COLLECTION,
                ClientRequestToken=token,
                NotificationChannel={"SNSTopicArn": self._topic, "RoleArn": _ROLE},
            )
        )
        return str(answer["JobId"])

    def _wait(self, job_id: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self._until_answered(lambda: self._rekognition.get_face_search(JobId=job_id))
            if answer["JobStatus"] != "IN_PROGRESS":
                return {**answer, "JobId": job_id}
            time.sleep(0.3)
        return {"JobId": job_id, "JobStatus": "IN_PROGRESS", "StatusMessage": "not in time"}

    def _result(self, first: Any) -> list[Any]:
        """Return the persons on all pages of a job's results."""
        persons = list(first["Persons"])
        page = first
        while token := page.get("NextToken"):
            members = {"JobId": first["JobId"], "NextToken": token}
            page = self._until_answered(lambda: self._rekognition.get_face_search(**members))  # noqa: B023
            persons += page["Persons"]
        return persons

    def _until_answered(self, call: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return call()
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
                self._tally.doubt()
            except BotoCoreError:
                self._tally.doubt()
            if time.monotonic() > end:
                raise TimeoutError(f"There was no answer for {PATIENCE:.0f} s.")
            time.sleep(0.5)


def _subscribe(storage: str) -> tuple[str, str, Any]:
    """Return a topic, a queue that gets its messages, and a client of the queue."""
    sns, sqs = client_of(storage, "sns"), client_of(storage, "sqs")
    topic = sns.create_topic(Name="campaign")["TopicArn"]
    queue = sqs.create_queue(QueueName="campaign")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    with suppress(ClientError):  # no policy is needed where none is checked
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "5"})
    return topic, queue, sqs
