"""Faces in stored video, through boto3, the AWS CLI and plain HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Server
from tests.e2e.films import PATIENCE, Studio, moving, names
from tests.media.making import film, prolong, rename_entry, sound_only, steady

if TYPE_CHECKING:
    from tests.e2e.plain_http import Rest

ROLE = "arn:aws:iam::123456789012:role/AmazonRekognition"
MISSING_TOPIC = "arn:aws:sns:us-east-1:123456789012:AmazonRekognition-nowhere"
CREDENTIALS = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def studio(server: Server, portraits: dict[str, bytes]) -> Studio:
    return Studio(server, portraits)


@pytest.fixture(scope="module")
def both(portraits: dict[str, bytes]) -> bytes:
    """Return a video of three seconds with both people."""
    return moving(portraits, *portraits)


@pytest.fixture(scope="module")
def found(studio: Studio, both: bytes) -> str:
    """Return a completed search of the video."""
    job_id = studio.start(studio.put("both.mp4", both), JobTag="lobby")
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "SUCCEEDED", answer
    return job_id


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


def test_amazons_python_example_runs_with_only_another_endpoint(
    studio: Studio, both: bytes
) -> None:
    studio.put("guide.mp4", both)
    program = Path(__file__).with_name("sns_and_sqs.py")
    done = subprocess.run(
        [sys.executable, "-I", str(program), studio.name, "guide.mp4", studio.name, ROLE],
        env={**CREDENTIALS, "AWS_ENDPOINT_URL": studio.server.url},
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("h264 3000 ")
    assert sum(line.startswith("Person ") for line in lines) == 30
    faces = {line.split()[1] for line in lines if line.startswith("Face ")}
    listed = studio.rekognition.list_faces(CollectionId=studio.name)["Faces"]
    assert faces == {face["FaceId"] for face in listed}


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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"this is a letter and no film" * 50, ""),
        (sound_only(), "video"),
        (rename_entry(film(steady(5)), b"avc1", b"encv"), "encrypted"),
        (prolong(film(steady(50)), 7 * 3_600_000), "hours"),
        (None, ""),
    ],
    ids=["empty", "text", "sound", "encrypted", "seven hours", "cut off"],
)
def test_a_film_that_cannot_be_analysed_fails_with_a_reason(
    studio: Studio, both: bytes, content: bytes | None, said: str
) -> None:
    data = both[: len(both) // 2] if content is None else content
    answer = studio.wait(studio.start(studio.put("bad.mp4", data)))
    assert answer["JobStatus"] == "FAILED"
    assert said in answer["StatusMessage"].lower()
    assert answer["StatusMessage"].endswith(".")
    assert answer["Persons"] == []


def test_a_film_that_was_cut_off_is_searched_as_far_as_it_goes(
    studio: Studio, portraits: dict[str, bytes]
) -> None:
    name = next(iter(portraits))
    whole = moving(
        portraits,
        name,
        seconds=6,
        codec_options={"g": "10"},
        container_options={"movflags": "faststart"},
    )
    cut_off = studio.put("cut off.mp4", whole[: len(whole) * 3 // 5])
    answer = studio.wait(studio.start(cut_off))
    assert answer["JobStatus"] == "SUCCEEDED"
    message = answer["StatusMessage"]
    assert message.startswith(f"The video is cut off: only 60 % of the {len(whole)} bytes")
    searched = answer["VideoMetadata"]["DurationMillis"]
    assert 2000 < searched < 5500
    assert names(answer["Persons"]) == {0: {name}}
    assert searched - 400 <= answer["Persons"][-1]["Timestamp"] < searched
    detected = studio.rekognition.start_face_detection(Video=cut_off)["JobId"]
    assert studio.wait(detected, "get_face_detection")["StatusMessage"] == message


@pytest.mark.parametrize("container", ["mp4", "mpegts", "matroska"])
def test_everyone_in_a_file_of_several_recordings_is_found(
    studio: Studio, portraits: dict[str, bytes], container: str
) -> None:
    first, second, *_ = portraits
    films = [
        moving(portraits, name, seconds=2, container=container) for name in (first, second, first)
    ]
    answer = studio.wait(studio.start(studio.put("joined", b"".join(films))))
    assert (answer["JobStatus"], answer.get("StatusMessage")) == ("SUCCEEDED", None)
    assert abs(answer["VideoMetadata"]["DurationMillis"] - 6000) <= 200
    seen = [
        ({match["Face"]["ExternalImageId"] for match in each["FaceMatches"]}, each["Timestamp"])
        for each in answer["Persons"]
    ]
    for start, name in ((0, first), (2000, second), (4000, first)):
        moments = [at for found, at in seen if found == {name} and start <= at < start + 2000]
        assert len(moments) >= 9, (name, start, seen)


def test_damaged_frames_are_reported(studio: Studio, portraits: dict[str, bytes]) -> None:
    name = next(iter(portraits))
    data = bytearray(moving(portraits, name, seconds=3, codec_options={"g": "10", "bf": "0"}))
    middle, length = len(data) // 2, len(data) // 4
    data[middle : middle + length] = bytes(length)
    answer = studio.wait(studio.start(studio.put("damaged.mp4", bytes(data))))
    assert answer["JobStatus"] == "SUCCEEDED"
    assert answer["StatusMessage"].startswith("Damaged frames of the video that could not be")
    assert names(answer["Persons"]) == {0: {name}}


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


def test_rest_routes_return_the_same(rest: Rest, studio: Studio, both: bytes) -> None:
    video = studio.put("rest.mp4", both)
    job_id = rest.good("StartFaceSearch", Video=video, CollectionId=studio.name)["JobId"]
    whole = studio.wait(job_id)
    answer = rest.good("GetFaceSearch", JobId=job_id)
    assert answer["JobStatus"] == "SUCCEEDED"
    assert len(answer["Persons"]) == len(whole["Persons"])


def test_the_aws_cli_gets_the_results(studio: Studio, found: str) -> None:
    command = [str(Path(sys.executable).with_name("aws")), "rekognition", "get-face-search"]
    done = subprocess.run(
        [*command, "--job-id", found, "--endpoint-url", studio.server.url],
        env=CREDENTIALS,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["JobStatus"] == "SUCCEEDED"


def test_the_command_searches_a_file_and_writes_a_page(
    studio: Studio, both: bytes, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    path, page = tmp_path / "my <film>.mp4", tmp_path / "report.html"
    path.write_bytes(both)
    command = [str(Path(sys.executable).with_name("facedex")), "video"]
    arguments = ["search", str(path), "--collection", studio.name, "--out", str(page)]
    done = subprocess.run(
        [*command, *arguments, "--url", studio.server.url],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name in portraits:
        assert name in done.stdout
    html = page.read_text("utf-8")
    assert html.count("data:image/jpeg;base64,") == 2
    assert "my &lt;film&gt;.mp4" in html
    assert "http" not in html.replace("http://www.w3.org", "")
    job_id = done.stdout.split("job ")[1].split()[0]
    again = ["report", job_id, "--out", str(page), "--url", studio.server.url]
    subprocess.run([*command, *again], check=True, capture_output=True)
    assert "data:image" not in page.read_text("utf-8")
    kept = studio.s3.list_objects_v2(Bucket="facedex-video-search")
    assert kept["KeyCount"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--collection", "nobody-here"], "There is no collection nobody-here; fill one with"),
        (["--collection", "x", "--url", "http://127.0.0.1:9"], "No server answers at http://127"),
        (
            ["--collection", "x", "--out", "not-there/page.html"],
            "The folder not-there for the page does not exist",
        ),
    ],
)
def test_errors_are_reported_before_the_film_is_uploaded(
    studio: Studio, tmp_path: Path, arguments: list[str], said: str
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"not looked at")
    command = [str(Path(sys.executable).with_name("facedex")), "video", "search", str(path)]
    done = subprocess.run(
        [*command, "--url", studio.server.url, *arguments],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {said}")
    assert "Traceback" not in done.stderr
