"""The steps of a bulk execution: its input is checked, its photos are indexed and reported."""

from __future__ import annotations

import csv
import io
import json
import socket
import threading
import time
from typing import Any

import pytest

from facedex.api.errors import InternalServerError, ServiceError
from facedex.aws import objects
from facedex.store import collections
from facedex_functions.index_bulk.handler import lambda_handler
from facedex_functions.report_bulk import handler
from facedex_functions.report_bulk.handler import lambda_handler as report
from tests.integration.uploads.bucket import Bucket

_CONTEXT = object()


def check(bucket: Bucket, **given: Any) -> dict[str, Any]:
    event = {
        "Action": "check",
        "Input": {"Bucket": bucket.name, "CollectionId": "staff", **given},
        "Buckets": [bucket.name],
        "MaxConcurrency": 10,
    }
    return lambda_handler(event, _CONTEXT)


def index(bucket: Bucket, key: str, **given: Any) -> dict[str, Any]:
    order = check(bucket, **given)
    line = lambda_handler({"Action": "index", "Order": order, "Key": key}, _CONTEXT)
    assert line.pop("Photo") == f"s3://{bucket.name}/{key}"
    return line


def test_a_photo_is_indexed_once_whatever_execution_it_belongs_to(
    bucket: Bucket, portraits: dict[str, bytes]
) -> None:
    bucket.put("2026/ann/1.jpg", portraits["eileen"])
    given = {"Prefix": "2026/", "ExternalImageId": "folder"}
    first = index(bucket, "2026/ann/1.jpg", **given)
    assert first == {
        "ExternalImageId": "ann",
        "Result": "indexed",
        "Faces": 1,
        "NotIndexed": {},
    }
    faces = bucket.faces()
    again = index(bucket, "2026/ann/1.jpg", **given)
    assert again == {"ExternalImageId": "ann", "Result": "indexed", "Faces": 1, "Earlier": True}
    repeated = index(bucket, "2026/ann/1.jpg", **given, Again=True)
    assert "Earlier" not in repeated
    assert bucket.faces() == faces


def test_a_deleted_collection_is_filled_again(bucket: Bucket, portraits: dict[str, bytes]) -> None:
    bucket.put("ann.jpg", portraits["eileen"])
    index(bucket, "ann.jpg")
    with bucket.database.reading() as connection:
        model = collections.find(connection, "staff").model_version
    collections.delete(bucket.database, "staff")
    with bucket.database.transaction() as connection:
        collections.create(connection, "staff", model)
    assert "Earlier" not in index(bucket, "ann.jpg")
    assert bucket.names() == ["ann"]


def test_an_upload_of_the_same_photo_is_recognised(
    bucket: Bucket, portraits: dict[str, bytes]
) -> None:
    bucket.put("staff/ann.jpg", portraits["eileen"])
    assert bucket.notify("staff/ann.jpg") == []
    assert index(bucket, "staff/ann.jpg")["Earlier"] is True


@pytest.mark.parametrize(
    ("key", "content", "expected"),
    [
        ("notes.txt", b"no photo", {"Result": "not an image"}),
        ("empty.jpg", b"", {"Result": "not an image"}),
        ("film.mp4", b"\0" * 16_000_000, {"Result": "not an image"}),
        (".hidden/ann.jpg", b"", {"Result": "excluded"}),
        ("@eaDir/ann.jpg", b"", {"Result": "excluded"}),
        ("folder/", b"", {"Result": "excluded"}),
    ],
)
def test_an_object_that_is_no_photo_is_no_failure(
    bucket: Bucket, key: str, content: bytes, expected: dict[str, Any]
) -> None:
    bucket.put(key, content)
    assert expected.items() <= index(bucket, key).items()
    assert bucket.faces() == []


def test_broken_photos_are_results_with_their_reasons(
    bucket: Bucket, portraits: dict[str, bytes]
) -> None:
    photo = portraits["eileen"]
    bucket.put("cut.png", photo[: len(photo) // 2])
    bucket.put("large.png", photo + b"\0" * (16_000_000 - len(photo)))
    bucket.put("ann.png", photo, max_faces="many")
    for key, result, words in (
        ("cut.png", "damaged", "damaged or truncated"),
        ("large.png", "too large", "an image may have 15728640"),
        ("ann.png", "failed", "InvalidUploadMetadata: The object's metadata cannot be used"),
    ):
        line = index(bucket, key)
        assert line["Result"] == result
        assert words in line["Message"]


def test_a_photo_that_was_deleted_meanwhile_is_excluded(bucket: Bucket) -> None:
    line = index(bucket, "gone.jpg")
    assert (line["Result"], line["Message"]) == ("excluded", "It does not exist any more.")


def test_metadata_and_input_choose_the_faces(bucket: Bucket, portraits: dict[str, bytes]) -> None:
    bucket.put("ann.jpg", portraits["eileen"])
    with pytest.raises(ServiceError, match="maxFaces"):
        check(bucket, MaxFaces=0)
    assert index(bucket, "ann.jpg", MaxFaces=1, QualityFilter="NONE")["Faces"] == 1


def test_a_failure_that_may_pass_is_an_error_with_a_name_that_is_retried(
    bucket: Bucket, portraits: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("ann.jpg", portraits["eileen"])
    event = {"Action": "index", "Order": check(bucket), "Key": "ann.jpg"}
    with socket.socket() as closed, monkeypatch.context() as patch:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        objects.client.cache_clear()
        with pytest.raises(InternalServerError, match="S3 does not return the object"):
            lambda_handler(event, _CONTEXT)
    objects.client.cache_clear()
    collections.delete(bucket.database, "staff")
    collections.forget(bucket.database.in_region("us-east-1"), "staff")
    with pytest.raises(ServiceError) as caught:
        lambda_handler(event, _CONTEXT)
    assert caught.value.code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"Bucket": "elsewhere"}, "Bucket must be one of the setting bulk_buckets: "),
        ({"Prefix": 7}, "Prefix must be text."),
        ({"ExternalImageId": "name"}, "ExternalImageId must be one of stem, path, folder."),
        ({"MaxConcurrency": 11}, "MaxConcurrency must be a whole number from 1 to 10, "),
        ({"MaxConcurrency": True}, "MaxConcurrency must be a whole number from 1 to 10, "),
        ({"ToleratedFailurePercentage": 101}, "ToleratedFailurePercentage must be a number from "),
        ({"Again": "yes"}, "Again must be true or false."),
        ({"Bukket": "x"}, "The input must be an object with Bucket and CollectionId, and may "),
        ({"CollectionId": "missing"}, "missing"),
        ({"QualityFilter": "best"}, "qualityFilter"),
    ],
    ids=str,
)
def test_a_wrong_input_is_reported_in_one_sentence(
    bucket: Bucket, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        check(bucket, **given)
    assert sentence in str(caught.value)


def test_the_report_has_a_line_for_each_photo_and_counts_them(bucket: Bucket) -> None:
    order = {"Bucket": "album"}
    done = {"Photo": "s3://album/a,b.jpg", "Result": "indexed", "Faces": 2}
    files = {
        "SUCCEEDED": [
            {"Output": json.dumps({**done, "NotIndexed": {"LOW_SHARPNESS": 1}})},
            {"Output": json.dumps({**done, "Photo": "s3://album/ann.jpg", "Earlier": True})},
        ],
        "FAILED": [
            {
                "Input": json.dumps({"Order": order, "Key": "bob.jpg"}),
                "Status": "FAILED",
                "Error": "InternalServerError",
                "Cause": json.dumps({"errorMessage": "The database\ndoes not answer."}),
            },
            {
                "Input": json.dumps({"Order": order, "Key": "slow.jpg"}),
                "Status": "TIMED_OUT",
            },
        ],
        "PENDING": [{"Input": json.dumps({"Order": order, "Key": "zoe.jpg"})}, {}],
    }
    folder = "reports/monday/11112222"
    listed: dict[str, list[dict[str, str]]] = {}
    for kind, items in files.items():
        key = f"{folder}/{kind}_0.jsonl"
        bucket.put(key, "".join(f"{json.dumps(each)}\n" for each in items).encode())
        listed[kind] = [{"Key": key}]
    bucket.put(f"{folder}/manifest.json", json.dumps({"ResultFiles": listed}).encode())
    ended = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:facedex-dev-bulk:monday",
        "status": "FAILED",
        "input": json.dumps(order),
        "error": "States.ExceedToleratedFailureThreshold",
        "cause": None,
    }
    summary = report({"Execution": ended, "Bucket": bucket.name, "Prefix": "reports"}, _CONTEXT)
    rows = list(csv.reader(io.StringIO(_read(bucket, "reports/monday/report.csv"))))
    assert rows[1:] == [
        ["s3://album/a,b.jpg", "indexed", "2", "", "LOW_SHARPNESS:1", "", ""],
        ["s3://album/ann.jpg", "indexed", "2", "", "", "", "yes"],
        [
            "s3://album/bob.jpg",
            "failed",
            "0",
            "",
            "",
            "InternalServerError: The database does not answer.",
            "",
        ],
        ["s3://album/slow.jpg", "failed", "0", "", "", "TIMED_OUT", ""],
        ["s3://album/zoe.jpg", "not started", "0", "", "", "", ""],
        ["", "not started", "0", "", "", "", ""],
    ]
    assert json.loads(_read(bucket, "reports/monday/summary.json")) == summary
    assert summary == {
        "Execution": ended["executionArn"],
        "Status": "FAILED",
        "Input": order,
        "Error": "States.ExceedToleratedFailureThreshold",
        "Report": f"s3://{bucket.name}/reports/monday/report.csv",
        "Photos": 6,
        "Results": {"indexed": 2, "failed": 2, "not started": 2},
        "IndexedEarlier": 1,
        "FacesIndexedNow": 2,
        "FacesNotIndexed": {"LOW_SHARPNESS": 1},
    }


def test_an_execution_whose_input_was_refused_has_a_summary(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_PATIENCE", 0.0)  # Step Functions writes no results here
    ended = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:facedex-dev-bulk:tuesday",
        "status": "FAILED",
        "input": "no JSON",
        "error": "InvalidParameterException",
        "cause": "Prefix must be text.",
    }
    report({"Execution": ended, "Bucket": bucket.name, "Prefix": ""}, _CONTEXT)
    summary = json.loads(_read(bucket, "tuesday/summary.json"))
    assert (summary["Error"], summary["Cause"]) == (ended["error"], ended["cause"])
    assert (summary["Photos"], summary["Input"]) == (0, "no JSON")
    assert "Report" not in summary


def test_the_report_of_a_redriven_execution_waits_for_its_new_results(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_STEP", 0.1)
    _write_results(bucket, 1)
    time.sleep(1.1)  # S3's times are whole seconds
    ended = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:facedex-dev-bulk:friday",
        "status": "FAILED",
        "redriveDate": int(time.time() * 1000),
    }
    event = {"Execution": ended, "Bucket": bucket.name, "Prefix": ""}
    writing = threading.Timer(0.5, _write_results, (bucket, 2))
    writing.start()
    assert report(event, _CONTEXT)["Photos"] == 2
    writing.join()

    # It failed again before the first photo, so Step Functions writes no results.
    monkeypatch.setattr(handler, "_PATIENCE", 0.0)
    ended["redriveDate"] = int(time.time() * 1000) + 5000
    assert report(event, _CONTEXT)["Photos"] == 2


def _write_results(bucket: Bucket, photos: int) -> None:
    folder = "friday/11112222"
    bucket.put(f"{folder}/PENDING_0.jsonl", b"{}\n" * photos)
    files = {"PENDING": [{"Key": f"{folder}/PENDING_0.jsonl"}]}
    bucket.put(f"{folder}/manifest.json", json.dumps({"ResultFiles": files}).encode())


def _read(bucket: Bucket, key: str) -> str:
    found = bucket.s3.get_object(Bucket=bucket.name, Key=key)
    return str(found["Body"].read().decode())
