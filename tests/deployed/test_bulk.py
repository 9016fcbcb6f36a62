"""Executions of the bulk state machine over buckets with real photos."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deployed.account import Stack, wait_for

_ALBUMS, _REPORTS = "albums", "reports"
_ENDED = ("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")


@pytest.fixture(scope="module", autouse=True)
def buckets(stack: Stack) -> None:
    """Create the buckets, which stay: reports of failed executions are written some time later."""
    for name in (_ALBUMS, _REPORTS):
        stack.emulator.client("s3").create_bucket(Bucket=name)


@pytest.fixture
def collection(stack: Stack) -> Iterator[str]:
    stack.caller().create_collection(CollectionId="everybody")
    yield "everybody"
    stack.caller().delete_collection(CollectionId="everybody")


def test_a_bucket_is_indexed_with_a_report_and_nothing_twice(
    stack: Stack, collection: str, portraits: dict[str, bytes]
) -> None:
    photos = {
        "people/eileen/1.jpg": portraits["eileen"],
        "people/grace/1.jpg": portraits["grace"],
        "people/grace/2.jpg": portraits["grace"][:20_000],
        "people/grace/notes.txt": b"no photo",
        "people/grace/.hidden.jpg": portraits["grace"],
    }
    _put(stack, photos)
    order = {
        "Bucket": _ALBUMS,
        "Prefix": "people/",
        "CollectionId": collection,
        "ExternalImageId": "folder",
        "MaxConcurrency": 2,  # each further copy of the function is a cold start
    }
    ended = _run(stack, "first", order)
    assert ended["status"] == "SUCCEEDED", ended
    for name in ("eileen", "grace"):
        assert _search(stack, collection, portraits[name]) == [name]
    lines = _report(stack, "first")
    results = {line["photo"].removeprefix("s3://albums/people/"): line["result"] for line in lines}
    assert results == {
        "eileen/1.jpg": "indexed",
        "grace/1.jpg": "indexed",
        "grace/2.jpg": "damaged",
        "grace/notes.txt": "not an image",
        "grace/.hidden.jpg": "excluded",
    }
    (damaged,) = [line for line in lines if line["result"] == "damaged"]
    assert "incomplete" in damaged["message"] or "truncated" in damaged["message"]
    summary = _summary(stack, "first")
    assert summary == json.loads(ended["output"])
    assert (summary["Photos"], summary["FacesIndexedNow"]) == (5, 2)
    faces = stack.caller().list_faces(CollectionId=collection)["Faces"]

    assert _run(stack, "second", order)["status"] == "SUCCEEDED"
    assert stack.caller().list_faces(CollectionId=collection)["Faces"] == faces
    summary = _summary(stack, "second")
    assert (summary["IndexedEarlier"], summary["FacesIndexedNow"]) == (2, 0)
    assert {line["photo"] for line in _report(stack, "second") if line["earlier_run"]} == {
        f"s3://albums/people/{name}/1.jpg" for name in ("eileen", "grace")
    }


def test_a_failed_execution_is_reported_and_redriven(
    stack: Stack, collection: str, portraits: dict[str, bytes]
) -> None:
    names = ("eileen", "grace")
    _put(stack, {f"broken/{name}.jpg": portraits[name] for name in names})
    s3 = stack.emulator.client("s3")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{_ALBUMS}/broken/grace.jpg",
        "Condition": {"StringLike": {"aws:PrincipalArn": "*index_bulk*"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=_ALBUMS, Policy=policy)
    order = {
        "Bucket": _ALBUMS,
        "Prefix": "broken/",
        "CollectionId": collection,
        "ToleratedFailurePercentage": 0,
    }
    ended = _run(stack, "failing", order)
    assert (ended["status"], ended["error"]) == (
        "FAILED",
        "States.ExceedToleratedFailureThreshold",
    )
    summary = wait_for(lambda: _summary(stack, "failing"), "the summary")
    assert (summary["Status"], summary["Input"]) == ("FAILED", order)
    assert summary["Results"] == {"indexed": 1, "failed": 1}
    (failed,) = [line for line in _report(stack, "failing") if line["result"] == "failed"]
    assert failed["photo"] == "s3://albums/broken/grace.jpg"
    assert failed["message"].startswith("InternalServerError: S3 does not return the object")

    s3.delete_bucket_policy(Bucket=_ALBUMS)
    states = stack.emulator.client("stepfunctions")
    states.redrive_execution(executionArn=ended["executionArn"])
    ended = _wait(stack, ended["executionArn"])
    assert ended["status"] == "SUCCEEDED", ended
    assert _summary(stack, "failing")["Results"] == {"indexed": 2}
    assert _search(stack, collection, portraits["grace"]) == ["grace"]
    assert len(stack.caller().list_faces(CollectionId=collection)["Faces"]) == 2


def test_another_execution_continues_one_that_was_stopped(
    stack: Stack, collection: str, portraits: dict[str, bytes]
) -> None:
    names = [f"{number}{name}" for number in range(7) for name in ("eileen", "grace")]
    _put(stack, {f"long/{name}.jpg": portraits[name[1:]] for name in names})
    rekognition, states = stack.caller(), stack.emulator.client("stepfunctions")
    order = {
        "Bucket": _ALBUMS,
        "Prefix": "long/",
        "CollectionId": collection,
        "MaxConcurrency": 1,
    }
    arn = _start(stack, "stopped", order)
    wait_for(lambda: rekognition.list_faces(CollectionId=collection)["Faces"], "a face", step=0.05)
    states.stop_execution(executionArn=arn)
    summary = wait_for(lambda: _summary(stack, "stopped"), "the summary")
    results = summary["Results"]
    assert summary["Status"] == "ABORTED"
    assert 1 <= results["indexed"] < len(names)
    assert results["indexed"] + results["not started"] == len(names)

    assert _run(stack, "continued", order)["status"] == "SUCCEEDED"
    summary = _summary(stack, "continued")
    assert summary["IndexedEarlier"] == results["indexed"]
    assert summary["FacesIndexedNow"] == len(names) - results["indexed"]
    faces = rekognition.list_faces(CollectionId=collection)["Faces"]
    assert sorted(face["ExternalImageId"] for face in faces) == sorted(names)


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"Bucket": "elsewhere"}, "InvalidParameterException", "bulk_buckets: albums"),
        ({"CollectionId": "missing"}, "ResourceNotFoundException", "missing"),
        ({"MaxConcurrency": 11}, "InvalidParameterException", "from 1 to 10"),
    ],
)
def test_a_wrong_input_ends_an_execution_at_once(
    stack: Stack, collection: str, changed: dict[str, Any], error: str, sentence: str
) -> None:
    order = {"Bucket": _ALBUMS, "CollectionId": collection, **changed}
    ended = _run(stack, f"wrong-{next(iter(changed))}", order)
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert sentence in json.loads(ended["cause"])["errorMessage"]


def _put(stack: Stack, photos: dict[str, bytes]) -> None:
    for key, content in photos.items():
        stack.emulator.client("s3").put_object(Bucket=_ALBUMS, Key=key, Body=content)


def _start(stack: Stack, name: str, order: dict[str, Any]) -> str:
    started = stack.emulator.client("stepfunctions").start_execution(
        stateMachineArn=stack.outputs["BulkStateMachine"], name=name, input=json.dumps(order)
    )
    return str(started["executionArn"])


def _run(stack: Stack, name: str, order: dict[str, Any]) -> dict[str, Any]:
    return _wait(stack, _start(stack, name, order))


def _wait(stack: Stack, arn: str) -> dict[str, Any]:
    states = stack.emulator.client("stepfunctions")

    def look() -> dict[str, Any] | None:
        described: dict[str, Any] = states.describe_execution(executionArn=arn)
        return described if described["status"] in _ENDED else None

    return wait_for(look, "the end of the execution", seconds=120)


def _report(stack: Stack, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_read(stack, f"{name}/report.csv"))))


def _summary(stack: Stack, name: str) -> Any:
    text = _read(stack, f"{name}/summary.json")
    return json.loads(text) if text else None


def _read(stack: Stack, key: str) -> str:
    """Return the text of an object of the reports, or an empty text before it exists."""
    s3 = stack.emulator.client("s3")
    try:
        found = s3.get_object(Bucket=_REPORTS, Key=f"facedex/{key}")
    except s3.exceptions.NoSuchKey:
        return ""
    return str(found["Body"].read().decode())


def _search(stack: Stack, collection: str, photo: bytes) -> list[str]:
    found = stack.caller().search_faces_by_image(
        CollectionId=collection, Image={"Bytes": photo}, FaceMatchThreshold=99
    )
    return [match["Face"]["ExternalImageId"] for match in found["FaceMatches"]]
