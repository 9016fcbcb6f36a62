"""Every function responds to its sample event with only its packages."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.media.kinesis import acknowledgements, matroska, put_media
from tests.packages.deployment import ROWS, Deployment
from tests.packages.lambda_service import put_receiver

ROOT = Path(__file__).parents[2]
FUNCTIONS = pytest.mark.parametrize("name", sorted(ROWS))


Proof = Callable[[Deployment], object]


def _answers(name: str, stage: str, shows: Callable[[dict[str, Any]], bool]) -> Proof:
    """Return a proof that the operation succeeds on a stage and its response has the property."""

    def prove(deployment: Deployment) -> None:
        run = deployment.prove(name, stage)
        answer = run.answer
        assert answer["statusCode"] == 200, run.log
        assert shows(json.loads(answer["body"] or "{}")), answer["body"]

    return prove


def _finds_eileen(body: dict[str, Any]) -> bool:
    return bool(body["FaceMatches"][0]["Face"]["ExternalImageId"] == "eileen")


def _finds_her_user(body: dict[str, Any]) -> bool:
    return bool(body["UserMatches"][0]["User"]["UserId"] == "eileen")


def _finds_eileen_in_the_video(body: dict[str, Any]) -> bool:
    matches = [match for person in body["Persons"] for match in person.get("FaceMatches", ())]
    names = {match["Face"]["ExternalImageId"] for match in matches}
    return body["JobStatus"] == "SUCCEEDED" and names == {"eileen"}


def _names_the_door(body: dict[str, Any]) -> bool:
    return str(body["StreamProcessorArn"]).endswith(":streamprocessor/door")


def _answer_to_cloudformation(deployment: Deployment) -> None:
    with put_receiver() as receiver:
        deployment.prove("migrate", "nothing", ResponseURL=receiver.url)
        assert receiver.received["Status"] == "SUCCESS", receiver.received
    assert deployment.rows("migrate", "SELECT 1 FROM schema_migrations")


def _list_of_access_keys(deployment: Deployment) -> None:
    assert deployment.prove("access_keys", "schema").answer == {"AccessKeys": []}


def _nothing_left_of_a_deleted_collection(deployment: Deployment) -> None:
    deployment.prove("sweep", "deleted")
    assert deployment.rows("sweep", "SELECT 1 FROM faces") == []


def _segment_searched(deployment: Deployment) -> None:
    run = deployment.prove("search_video_segment", "planned search")
    assert run.answer == {"batchItemFailures": []}, run.log


def _stream_searched(deployment: Deployment) -> None:
    """Media since the start is analysed and written, and a message for a successor is sent."""
    aws = deployment.settings["AWS_ENDPOINT_URL"]
    region = deployment.settings["AWS_REGION"]
    session = boto3.Session("testing", "testing", region_name=region)
    kinesis = session.client("kinesis", endpoint_url=aws)
    sqs = session.client("sqs", endpoint_url=aws)
    shard = kinesis.get_shard_iterator(
        StreamName="seen-at-door", ShardId="shardId-000000000000", ShardIteratorType="LATEST"
    )
    queue = deployment.settings["FACEDEX_STREAM_QUEUE"]
    sqs.purge_queue(QueueUrl=queue)
    deployment.reach("started processor")
    head, clusters = matroska(deployment.film, start=round(time.time() * 1000))
    said = acknowledgements(put_media(aws, "door", head + b"".join(clusters)))
    assert "PERSISTED" in {each["EventType"] for each in said}
    run = deployment.prove("run_stream_processor", "started processor")
    assert run.answer == {"batchItemFailures": []}, run.log
    records = kinesis.get_records(ShardIterator=shard["ShardIterator"])["Records"]
    faces = [face for each in records for face in json.loads(each["Data"])["FaceSearchResponse"]]
    names = {match["Face"]["ExternalImageId"] for face in faces for match in face["MatchedFaces"]}
    assert names == {"eileen"}, run.log
    (row,) = deployment.rows(
        "run_stream_processor", "SELECT status, lease, checkpoint FROM stream_processors"
    )
    assert (row[0], row[1], bool(row[2])) == ("RUNNING", None, True)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"]) == {"StreamProcessor": 1}


def _upload_indexed(deployment: Deployment) -> None:
    run = deployment.prove("index_upload", "friends")
    assert run.answer == {"batchItemFailures": []}, run.log
    names = deployment.rows("index_upload", "SELECT external_image_id FROM faces")
    assert names == [("ann",)]


def _photo_of_a_bucket_indexed(deployment: Deployment) -> None:
    run = deployment.prove("index_bulk", "friends")
    assert (run.answer["Result"], run.answer["Faces"]) == ("indexed", 1), run.log
    names = deployment.rows("index_bulk", "SELECT external_image_id FROM faces")
    assert names == [("ann",)]


def _summary_of_a_bulk_execution(deployment: Deployment) -> None:
    run = deployment.prove("report_bulk", "nothing")
    assert (run.answer["Status"], run.answer["Photos"]) == ("SUCCEEDED", 0), run.log


def _first_page_of_the_console(deployment: Deployment) -> None:
    run = deployment.prove("console", "nothing")
    assert run.answer["statusCode"] == 200, run.log
    assert run.answer["body"].startswith("<!doctype html>")


PROOFS: Mapping[str, Proof] = {
    name: _answers(name, stage, shows)
    for name, stage, shows in (
        ("associate_faces", "user", lambda body: len(body["AssociatedFaces"]) == 1),
        ("compare_faces", "schema", lambda body: body["FaceMatches"][0]["Similarity"] > 99),
        ("create_collection", "schema", lambda body: body["StatusCode"] == 200),
        ("create_stream_processor", "collection", _names_the_door),
        ("create_user", "collection", lambda body: body == {}),
        ("delete_collection", "member", lambda body: body["StatusCode"] == 200),
        ("delete_faces", "face", lambda body: len(body["DeletedFaces"]) == 1),
        ("delete_stream_processor", "processor", lambda body: body == {}),
        ("delete_user", "member", lambda body: body == {}),
        ("describe_collection", "member", lambda body: body["FaceCount"] == 1),
        ("describe_stream_processor", "processor", lambda body: body["Status"] == "STOPPED"),
        ("detect_faces", "schema", lambda body: "AgeRange" in body["FaceDetails"][0]),
        ("disassociate_faces", "member", lambda body: len(body["DisassociatedFaces"]) == 1),
        ("front_door", "face", lambda body: body["CollectionIds"] == ["staff"]),
        ("get_face_detection", "looked through video", lambda body: len(body["Faces"]) > 0),
        ("get_face_search", "searched video", _finds_eileen_in_the_video),
        ("index_faces", "collection", lambda body: len(body["FaceRecords"]) == 1),
        ("list_collections", "face", lambda body: body["CollectionIds"] == ["staff"]),
        ("list_faces", "face", lambda body: len(body["Faces"]) == 1),
        (
            "list_stream_processors",
            "started processor",
            lambda body: body["StreamProcessors"] == [{"Name": "door", "Status": "STARTING"}],
        ),
        ("list_tags_for_resource", "face", lambda body: body["Tags"] == {}),
        ("list_users", "user", lambda body: body["Users"][0]["UserId"] == "eileen"),
        ("search_faces", "face", lambda body: body["FaceMatches"] == []),
        ("search_faces_by_image", "face", _finds_eileen),
        ("search_users", "member", _finds_her_user),
        ("search_users_by_image", "member", _finds_her_user),
        ("start_face_detection", "schema", lambda body: len(body["JobId"]) == 64),
        ("start_face_search", "face", lambda body: len(body["JobId"]) == 64),
        ("start_stream_processor", "processor", lambda body: len(body["SessionId"]) == 36),
        ("stop_stream_processor", "started processor", lambda body: body == {}),
        ("tag_resource", "face", lambda body: body == {}),
        ("untag_resource", "face", lambda body: body == {}),
        ("update_stream_processor", "processor", lambda body: body == {}),
    )
} | {
    "access_keys": _list_of_access_keys,
    "console": _first_page_of_the_console,
    "index_bulk": _photo_of_a_bucket_indexed,
    "report_bulk": _summary_of_a_bulk_execution,
    "index_upload": _upload_indexed,
    "migrate": _answer_to_cloudformation,
    "run_stream_processor": _stream_searched,
    "search_video_segment": _segment_searched,
    "sweep": _nothing_left_of_a_deleted_collection,
}


@FUNCTIONS
def test_a_function_answers_its_sample_event_on_its_packages(
    name: str, deployment: Deployment
) -> None:
    assert name in PROOFS, f"{name} is in the catalog and nothing shows that its package runs"
    PROOFS[name](deployment)


def test_the_front_door_reaches_every_operation_that_it_is_packaged_with(
    deployment: Deployment,
) -> None:
    event = deployment.event("front_door", {})
    target = {"X-Amz-Target": "RekognitionService.SearchFacesByImage"}
    image = {"S3Object": {"Bucket": "photos", "Name": "eileen.jpg"}}
    answer = deployment.prove(
        "front_door",
        "face",
        headers=event["headers"] | target,
        multiValueHeaders=None,
        body=json.dumps({"CollectionId": "staff", "Image": image}),
    ).answer
    assert answer["statusCode"] == 200, answer["body"]
    assert _finds_eileen(json.loads(answer["body"]))


def test_a_function_writes_its_metrics_for_cloudwatch(deployment: Deployment) -> None:
    run = deployment.prove("search_faces_by_image", "face")
    lines = [json.loads(line) for line in run.log.splitlines() if line.startswith('{"_aws"')]
    names = {
        metric["Name"]
        for line in lines
        for described in line["_aws"]["CloudWatchMetrics"]
        for metric in described["Metrics"]
    }
    assert names >= {
        "ColdStart",
        "DatabaseWait",
        "DecodedPixels",
        "ImageStageDuration",
        "InferenceDuration",
        "MemoryUsed",
        "RequestDuration",
        "Requests",
        "SearchDuration",
    }
    (requests,) = [line for line in lines if "Requests" in line]
    assert (requests["Operation"], requests["Status"]) == ("SearchFacesByImage", "200")


def test_functions_import_only_their_packages(deployment: Deployment) -> None:
    run = deployment.prove("search_faces_by_image", "face")
    ours = {path for path in run.libraries if "site-packages" in path or path.startswith(str(ROOT))}
    assert ours == set()
    laid_out = [path for path in run.libraries if path.startswith(str(deployment.folder))]
    assert any("onnxruntime" in path for path in laid_out)
