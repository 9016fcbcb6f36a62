"""The operations of stream processors through the front door; the test acts as the worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from facedex import settings
from facedex.aws import clients
from facedex.runtime import services
from facedex.store import collections, schema, stream_processors, stream_runs
from facedex.store.store_errors import CollectionNotFound
from facedex.store.stream_runs import RunLease
from facedex.workflows import live_video
from facedex_functions.front_door.handler import lambda_handler
from facedex_functions.run_stream_processor import handler as run_stream_processor
from facedex_functions.sweep.handler import lambda_handler as sweep
from facedex_local.aws.moto_app import Moto
from facedex_local.http.gateway import Context
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi

EVENT = json.loads((Path(__file__).parents[2] / "events" / "front_door.json").read_text())
ARN = "arn:aws:rekognition:us-east-1:123456789012:streamprocessor/door"
INPUT = {
    "KinesisVideoStream": {"Arn": "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/17"}
}
OUTPUT = {"KinesisDataStream": {"Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/seen"}}
ROLE = "arn:aws:iam::123456789012:role/facedex-streams"
DOOR: dict[str, Any] = {
    "Name": "door",
    "Input": INPUT,
    "Output": OUTPUT,
    "RoleArn": ROLE,
    "Settings": {"FaceSearch": {"CollectionId": "staff"}},
}
REGION = [{"BoundingBox": {"Width": 0.5, "Height": 0.5, "Left": 0.1, "Top": 0.1}}]


def answer(operation: str, **members: Any) -> tuple[int, dict[str, Any]]:
    headers = {**EVENT["headers"], "X-Amz-Target": f"RekognitionService.{operation}"}
    event = {
        **EVENT,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": json.dumps(members),
    }
    answered = lambda_handler(event, Context("front_door", 29, 1769, "request"))
    return answered["statusCode"], json.loads(answered["body"])


def good(operation: str, **members: Any) -> dict[str, Any]:
    status, document = answer(operation, **members)
    assert status == 200, document
    return document


def refused(operation: str, **members: Any) -> tuple[str, str]:
    status, document = answer(operation, **members)
    assert status == 400, document
    return document["__type"], document["Message"]


def named(**changes: Any) -> dict[str, Any]:
    return {**DOOR, **changes}


def status() -> str:
    return str(good("DescribeStreamProcessor", Name="door")["Status"])


def key() -> int:
    with services.database().transaction() as connection:
        row = connection.execute("SELECT processor_key FROM stream_processors").fetchone()
        assert row is not None
        return int(row.processor_key)


def claim() -> RunLease:
    """Claim the processor's lease, as a worker does."""
    with services.database().transaction() as connection:
        lease = stream_runs.claim_lease(connection, key(), 60)
    assert lease is not None
    return lease


def expire_lease() -> None:
    with services.database().transaction() as connection:
        connection.execute(
            "UPDATE stream_processors SET leased_until = now() - interval '1 second',"
            " send_after = now()"
        )


def rows() -> list[Any]:
    with services.database().transaction() as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("stream_processors", "stream_processor_tags")
        ]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    listener = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=4)
    listener.start()
    yield listener.url
    listener.stop()


@pytest.fixture(autouse=True)
def messages(
    endpoint: str, database_url: str, pack_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Start a service with a collection "staff"; return a function that receives its messages."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=f"streams-{uuid4().hex}")["QueueUrl"]
    chosen = {
        "DATABASE_URL": database_url,
        "AUTH": "none",
        "MODELS": str(pack_directory.parent),
        "STREAM_QUEUE": queue,
        "STREAM_PROCESSORS": "5",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(f"FACEDEX_{name}", value)
    made = (settings.settings, services._database, services._shelf, clients.queues)
    for each in made:
        each.cache_clear()
    schema.migrate(services.database())
    good("CreateCollection", CollectionId="staff")

    def receive() -> list[Any]:
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in received]

    yield receive
    services.database().close()
    for each in made:
        each.cache_clear()


def test_processor_is_described_as_it_was_created() -> None:
    tags = {"site": "north"}
    created = good(
        "CreateStreamProcessor",
        **named(
            Settings={"FaceSearch": {"CollectionId": "staff", "FaceMatchThreshold": 99.5}},
            DataSharingPreference={"OptIn": False},
            Tags=tags,
        ),
    )
    assert created == {"StreamProcessorArn": ARN}
    described = good("DescribeStreamProcessor", Name="door")
    made, updated = described.pop("CreationTimestamp"), described.pop("LastUpdateTimestamp")
    assert made == updated
    assert described == {
        "Name": "door",
        "StreamProcessorArn": ARN,
        "Status": "STOPPED",
        "Input": INPUT,
        "Output": OUTPUT,
        "RoleArn": ROLE,
        "Settings": {"FaceSearch": {"CollectionId": "staff", "FaceMatchThreshold": 99.5}},
        "DataSharingPreference": {"OptIn": False},
    }
    assert good("ListTagsForResource", ResourceArn=ARN) == {"Tags": tags}


@pytest.mark.parametrize(("given", "kept"), [({}, 80.0), ({"FaceMatchThreshold": 12.5}, 80.0)])
def test_threshold_below_eighty_becomes_eighty(given: dict[str, Any], kept: float) -> None:
    search = {"CollectionId": "staff", **given}
    good("CreateStreamProcessor", **named(Settings={"FaceSearch": search}))
    described = good("DescribeStreamProcessor", Name="door")
    assert described["Settings"]["FaceSearch"]["FaceMatchThreshold"] == kept
    assert "DataSharingPreference" not in described


LABELS = {"ConnectedHome": {"Labels": ["PERSON"]}}
BUCKET = {"S3Destination": {"Bucket": "labels"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Settings": LABELS}, "Settings.ConnectedHome must be omitted"),
        ({"Settings": {**LABELS, **DOOR["Settings"]}}, "Settings.ConnectedHome must be omitted"),
        ({"Output": BUCKET}, "Output.S3Destination must be omitted"),
        ({"Output": {**BUCKET, **OUTPUT}}, "Output.S3Destination must be omitted"),
        ({"RegionsOfInterest": REGION}, "RegionsOfInterest must be omitted"),
        ({"KmsKeyId": "alias/labels"}, "KmsKeyId must be omitted"),
        (
            {"NotificationChannel": {"SNSTopicArn": "arn:aws:sns:us-east-1:123456789012:seen"}},
            "NotificationChannel must be omitted: the stream processors of this service",
        ),
        (
            {"KmsKeyId": "alias/labels", "RegionsOfInterest": REGION},
            "KmsKeyId and RegionsOfInterest must be omitted",
        ),
        ({"Settings": {}}, "Settings.FaceSearch is missing"),
        ({"Settings": {"FaceSearch": {}}}, "Settings.FaceSearch.CollectionId is missing"),
        ({"Input": {}}, "Input.KinesisVideoStream.Arn is missing"),
        ({"Input": {"KinesisVideoStream": {}}}, "Input.KinesisVideoStream.Arn is missing"),
        ({"Output": {}}, "Output.KinesisDataStream.Arn is missing"),
        (
            {"Settings": {"FaceSearch": {"CollectionId": "nowhere"}}},
            "The collection id: nowhere does not exist",
        ),
        (
            {"Input": {"KinesisVideoStream": {"Arn": "arn:aws:kinesisvideo:a:123456789012:x"}}},
            "which is not the ARN of a stream; such an ARN ends in stream/NAME/CREATED",
        ),
        (
            {"Output": {"KinesisDataStream": {"Arn": "arn:aws:kinesis:a:123456789012:stream/a/b"}}},
            "which is not the ARN of a stream; such an ARN ends in stream/NAME",
        ),
    ],
)
def test_settings_that_do_not_search_faces_are_refused(changes: dict[str, Any], words: str) -> None:
    code, message = refused("CreateStreamProcessor", **named(**changes))
    assert (code, words in message) == ("InvalidParameterException", True), message
    assert rows() == [[], []]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"Name": "a/b"}, "name"),
        ({"Name": ""}, "name"),
        ({"Name": "a" * 129}, "name"),
        ({"RoleArn": "facedex"}, "roleArn"),
        (
            {"Input": {"KinesisVideoStream": {"Arn": "arn:aws:s3:::film"}}},
            "input.kinesisVideoStream.arn",
        ),
        (
            {"Settings": {"FaceSearch": {"CollectionId": "staff", "FaceMatchThreshold": 101}}},
            "settings.faceSearch.faceMatchThreshold",
        ),
        ({"DataSharingPreference": {}}, "dataSharingPreference.optIn"),
        ({"Tags": {"aws:x": "y"}}, "tags"),
    ],
)
def test_request_that_violates_a_constraint_is_refused(changes: dict[str, Any], place: str) -> None:
    code, message = refused("CreateStreamProcessor", **named(**changes))
    assert (code, f"'{place}" in message) == ("ValidationException", True), message
    assert rows() == [[], []]


@pytest.mark.parametrize("member", ["Name", "Input", "Output", "Settings", "RoleArn"])
def test_missing_required_member_is_refused(member: str) -> None:
    without = {name: value for name, value in DOOR.items() if name != member}
    code, message = refused("CreateStreamProcessor", **without)
    assert (code, member.lower() in message.lower()) == ("ValidationException", True)


def test_collection_of_a_missing_model_pack_is_refused() -> None:
    with services.database().transaction() as connection:
        collections.create(connection, "old", "another-1")
    search = {"FaceSearch": {"CollectionId": "old"}}
    code, message = refused("CreateStreamProcessor", **named(Settings=search))
    assert (code, "another-1" in message) == ("InvalidParameterException", True)


def test_taken_name_and_processor_beyond_the_limit_are_refused() -> None:
    good("CreateStreamProcessor", **DOOR)
    before = rows()
    code, message = refused("CreateStreamProcessor", **DOOR)
    assert (code, "door" in message) == ("ResourceInUseException", True)
    assert rows() == before
    for number in range(4):
        good("CreateStreamProcessor", **named(Name=f"door{number}"))
    before = rows()
    code, message = refused("CreateStreamProcessor", **named(Name="another", Tags={"a": "b"}))
    assert (code, "at most 5 are allowed" in message) == ("LimitExceededException", True)
    assert rows() == before


def test_too_many_tags_create_no_processor() -> None:
    tags = {f"tag{number}": "x" for number in range(51)}
    code, message = refused("CreateStreamProcessor", **named(Tags=tags))
    assert (code, "50 tags" in message) == ("ServiceQuotaExceededException", True)
    assert rows() == [[], []]


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("StartStreamProcessor", {}),
        ("StopStreamProcessor", {}),
        ("DescribeStreamProcessor", {}),
        ("StartStreamProcessor", {"StopSelector": {"MaxDurationInSeconds": 10}}),
        ("UpdateStreamProcessor", {"DataSharingPreferenceForUpdate": {"OptIn": True}}),
        ("UpdateStreamProcessor", {}),
        ("UpdateStreamProcessor", {"ParametersToDelete": ["RegionsOfInterest"]}),
        ("UpdateStreamProcessor", {"RegionsOfInterestForUpdate": REGION}),
        (
            "UpdateStreamProcessor",
            {"SettingsForUpdate": {"ConnectedHomeForUpdate": {"MinConfidence": 50}}},
        ),
        ("DeleteStreamProcessor", {}),
    ],
)
def test_operation_on_a_missing_processor_is_refused(operation: str, more: dict[str, Any]) -> None:
    code, message = refused(operation, Name="nowhere", **more)
    assert (code, "nowhere" in message) == ("ResourceNotFoundException", True)


def test_processor_passes_through_its_states_from_start_to_stop(messages: Any) -> None:
    good("CreateStreamProcessor", **DOOR)
    made = good("DescribeStreamProcessor", Name="door")["LastUpdateTimestamp"]
    session = good("StartStreamProcessor", Name="door")["SessionId"]
    started = good("DescribeStreamProcessor", Name="door")
    assert (started["Status"], started["LastUpdateTimestamp"] > made) == ("STARTING", True)
    assert messages() == [{"StreamProcessor": key()}]
    lease = claim()
    assert (str(lease.run), status()) == (session, "RUNNING")
    for operation in ("StartStreamProcessor", "DeleteStreamProcessor"):
        before = rows()
        code, message = refused(operation, Name="door")
        assert (code, "RUNNING" in message) == ("ResourceInUseException", True)
        assert rows() == before
    assert good("StopStreamProcessor", Name="door") == {}
    assert status() == "STOPPING"
    assert good("StopStreamProcessor", Name="door") == {}
    assert refused("StartStreamProcessor", Name="door")[0] == "ResourceInUseException"
    with services.database().transaction() as connection:
        assert stream_runs.extend_lease(connection, lease, 60) == "STOPPING"
        stream_runs.release_lease(connection, lease)
    assert status() == "STOPPED"
    code, message = refused("StopStreamProcessor", Name="door")
    assert (code, "nothing to stop" in message) == ("ResourceInUseException", True)
    assert messages() == []
    assert good("StartStreamProcessor", Name="door")["SessionId"] != session
    assert good("StopStreamProcessor", Name="door") == {}
    assert status() == "STOPPED"
    assert good("DeleteStreamProcessor", Name="door") == {}
    assert refused("DescribeStreamProcessor", Name="door")[0] == "ResourceNotFoundException"


def test_processor_that_waits_for_a_worker_can_be_deleted() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    assert good("DeleteStreamProcessor", Name="door") == {}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("StartSelector", {"KVSStreamStartSelector": {"ProducerTimestamp": 1}}),
        ("StartSelector", {"KVSStreamStartSelector": {"FragmentNumber": "1"}}),
        ("StopSelector", {"MaxDurationInSeconds": 10}),
    ],
)
def test_selectors_for_label_detection_are_refused(messages: Any, member: str, value: Any) -> None:
    good("CreateStreamProcessor", **DOOR)
    before = rows()
    code, message = refused("StartStreamProcessor", Name="door", **{member: value})
    assert code == "InvalidParameterException"
    assert f"{member} must be omitted: the stream processors of this service" in message
    assert rows() == before
    assert messages() == []


def test_processor_cannot_be_started_without_its_collection() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("DeleteCollection", CollectionId="staff")
    before = rows()
    code, message = refused("StartStreamProcessor", Name="door")
    assert (code, "staff" in message) == ("ResourceNotFoundException", True)
    assert rows() == before
    good("CreateCollection", CollectionId="staff")
    good("StartStreamProcessor", Name="door")


def test_collection_deleted_during_a_run_fails_it_with_the_reason() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    claim()
    good("DeleteCollection", CollectionId="staff")
    live_video.sweep(services.database(), settings.settings())
    described = good("DescribeStreamProcessor", Name="door")
    assert described["Status"] == "FAILED"
    assert described["StatusMessage"] == "The collection staff was deleted."
    assert refused("StopStreamProcessor", Name="door")[0] == "ResourceInUseException"
    good("DeleteStreamProcessor", Name="door")


def test_worker_does_not_use_another_collection_of_the_same_name() -> None:
    good("CreateStreamProcessor", **DOOR)
    with services.database().reading() as connection:
        definition = stream_processors.find(connection, "door").definition
    good("DeleteCollection", CollectionId="staff")
    with pytest.raises(CollectionNotFound, match="The collection staff was deleted"):
        run_stream_processor._find_pack(definition)
    good("CreateCollection", CollectionId="staff")
    with pytest.raises(CollectionNotFound, match="The collection staff was deleted"):
        run_stream_processor._find_pack(definition)


def test_scheduled_sweep_sends_a_message_after_a_worker_died(messages: Any) -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    assert messages()
    claim()
    context = Context("sweep", 300, 256, "request")
    sweep({}, context)
    assert messages() == []
    expire_lease()
    sweep({}, context)
    assert messages() == [{"StreamProcessor": key()}]
    assert status() == "RUNNING"
    assert claim().failures == 1


def test_scheduled_sweep_records_active_and_failed_processors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def told() -> dict[str, float]:
        capsys.readouterr()
        sweep({}, Context("facedex-test-sweep", 300, 256, "request"))
        documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {each["FunctionName"] for each in documents} == {"facedex-test-sweep"}
        return {
            metric["Name"]: each[metric["Name"]][0]
            for each in documents
            for group in each["_aws"]["CloudWatchMetrics"]
            for metric in group["Metrics"]
            if (group["Namespace"], group["Dimensions"]) == ("Facedex", [["FunctionName"]])
        }

    assert told() == {"StreamProcessorsActive": 0, "StreamProcessorsFailed": 0}
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    assert told() == {"StreamProcessorsActive": 1, "StreamProcessorsFailed": 0}
    good("DeleteCollection", CollectionId="staff")
    assert told() == {"StreamProcessorsActive": 0, "StreamProcessorsFailed": 1}


def test_message_that_the_queue_refused_is_sent_later(
    messages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good("CreateStreamProcessor", **DOOR)
    right = settings.settings()
    with monkeypatch.context() as broken:
        broken.setenv("FACEDEX_STREAM_QUEUE", f"{right.stream_queue}-nowhere")
        settings.settings.cache_clear()
        good("StartStreamProcessor", Name="door")
    settings.settings.cache_clear()
    assert status() == "STARTING"
    live_video.sweep(services.database(), right)
    assert messages() == []
    with services.database().transaction() as connection:
        connection.execute(
            "UPDATE stream_processors SET send_after = send_after - '11 s'::interval"
        )
    live_video.sweep(services.database(), right)
    assert messages() == [{"StreamProcessor": key()}]


def test_service_without_a_queue_starts_no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    good("CreateStreamProcessor", **DOOR)
    monkeypatch.delenv("FACEDEX_STREAM_QUEUE")
    settings.settings.cache_clear()
    status, document = answer("StartStreamProcessor", Name="door")
    assert (status, document["__type"]) == (500, "InternalServerError")
    assert "FACEDEX_STREAM_QUEUE" in document["Message"]


def test_data_sharing_can_be_updated() -> None:
    good("CreateStreamProcessor", **DOOR)
    good("StartStreamProcessor", Name="door")
    claim()
    before = good("DescribeStreamProcessor", Name="door")
    assert (
        good("UpdateStreamProcessor", Name="door", DataSharingPreferenceForUpdate={"OptIn": True})
        == {}
    )
    after = good("DescribeStreamProcessor", Name="door")
    assert after["DataSharingPreference"] == {"OptIn": True}
    assert after["LastUpdateTimestamp"] > before["LastUpdateTimestamp"]
    assert after["Status"] == "RUNNING"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "There is nothing to update"),
        ({"ParametersToDelete": []}, "There is nothing to update"),
        ({"ParametersToDelete": ["RegionsOfInterest"]}, "ParametersToDelete must be omitted"),
        ({"RegionsOfInterestForUpdate": REGION}, "RegionsOfInterestForUpdate must be omitted"),
        (
            {
                "SettingsForUpdate": {"ConnectedHomeForUpdate": {"MinConfidence": 50}},
                "DataSharingPreferenceForUpdate": {"OptIn": True},
            },
            "SettingsForUpdate must be omitted",
        ),
    ],
)
def test_update_of_anything_but_data_sharing_is_refused(
    members: dict[str, Any], words: str
) -> None:
    good("CreateStreamProcessor", **DOOR)
    before = rows()
    code, message = refused("UpdateStreamProcessor", Name="door", **members)
    assert (code, words in message) == ("InvalidParameterException", True), message
    assert rows() == before


def test_processors_are_listed_page_by_page() -> None:
    names = ["c", "a", "b", "d"]
    for name in names:
        good("CreateStreamProcessor", **named(Name=name))
    listed, token = [], None
    for _ in range(2):
        members = {"MaxResults": 2} | ({"NextToken": token} if token else {})
        page = good("ListStreamProcessors", **members)
        listed += page["StreamProcessors"]
        token = page.get("NextToken")
    assert listed == [{"Name": name, "Status": "STOPPED"} for name in names]
    assert token is None
    assert good("ListStreamProcessors", MaxResults=1_000_000)["StreamProcessors"] == listed


def test_page_token_is_valid_for_its_listing_only() -> None:
    for name in ("a", "b"):
        good("CreateStreamProcessor", **named(Name=name))
        good("CreateCollection", CollectionId=name)
    other = good("ListCollections", MaxResults=1)["NextToken"]
    for token in (other, "forged", " "):
        code, message = refused("ListStreamProcessors", NextToken=token)
        assert (code, "NextToken" in message) == ("InvalidPaginationTokenException", True)
    listed = good("ListStreamProcessors")
    assert good("ListStreamProcessors", NextToken="") == listed


def test_processor_can_be_tagged() -> None:
    good("CreateStreamProcessor", **named(Tags={"site": "north", "team": "door"}))
    good("TagResource", ResourceArn=ARN, Tags={"site": "south", "floor": "1"})
    good("UntagResource", ResourceArn=ARN, TagKeys=["team"])
    assert good("ListTagsForResource", ResourceArn=ARN)["Tags"] == {"site": "south", "floor": "1"}
    before = rows()
    more = {f"tag{number}": "x" for number in range(49)}
    code, _ = refused("TagResource", ResourceArn=ARN, Tags=more)
    assert code == "ServiceQuotaExceededException"
    for operation, members in (
        ("TagResource", {"Tags": {"a": "b"}}),
        ("UntagResource", {"TagKeys": ["site"]}),
        ("ListTagsForResource", {}),
    ):
        for arn in (ARN.replace("door", "nowhere"), ARN.replace("us-east-1", "eu-west-1")):
            assert refused(operation, ResourceArn=arn, **members)[0] == "ResourceNotFoundException"
        code, message = refused(operation, ResourceArn=ARN.replace("/", ":"), **members)
        assert (code, ARN.replace("door", "NAME") in message) == ("InvalidParameterException", True)
    assert rows() == before
