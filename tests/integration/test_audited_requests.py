"""Which requests and which other work have a row in the audit log, by setting and by caller."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from facedex import settings
from facedex.runtime import audit as rows_of_requests
from facedex.runtime import services
from facedex.setting_reader import SettingError
from facedex.store import audit, audit_reading, audit_upkeep, schema
from facedex.store.audit import Trail
from facedex.store.database import Database
from facedex_cli.auditing.verifying import verify_table
from facedex_functions.access_keys.handler import lambda_handler as manage_keys
from facedex_functions.front_door.handler import lambda_handler as front_door
from facedex_functions.index_bulk.handler import lambda_handler as index_bulk
from facedex_functions.sweep.handler import lambda_handler as sweep
from facedex_local.http.gateway import Context
from tests.integration.uploads.bucket import Bucket
from tests.integration.uploads.conftest import endpoint, function

__all__ = ["endpoint", "function"]  # fixtures

ARN = "arn:aws:sts::123456789012:assumed-role/door/session"
CONTEXT = Context("facedex-front_door", 29, 1769, "an invocation")


@pytest.fixture
def start(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Database]]:
    """Return a function that configures this process as a function of a deployment."""
    made = (settings.settings, services._database, services._keyring, rows_of_requests._allowance)

    def start(**more: str) -> Database:
        named = {"DATABASE_URL": database_url, "AUTH": "iam", "MODELS": "/opt/models", **more}
        for name, value in named.items():
            monkeypatch.setenv(f"FACEDEX_{name}", value)
        for each in made:
            each.cache_clear()
        schema.migrate(services.database())
        return services.database()

    yield start
    services.database().close()
    for each in made:
        each.cache_clear()


def ask(operation: str, request: dict[str, Any], *, arn: str | None = ARN) -> dict[str, Any]:
    """Send a request to the front door; return the response with its status."""
    event = {
        "resource": "/",
        "httpMethod": "POST",
        "path": "/",
        "headers": {"X-Amz-Target": f"RekognitionService.{operation}"},
        "body": json.dumps(request),
        "requestContext": {
            "requestId": f"of {operation}",
            "identity": {"userArn": arn, "sourceIp": "203.0.113.9"},
        },
    }
    answer = front_door(event, CONTEXT)
    return {"status": answer["statusCode"], **json.loads(answer["body"])}


def rows(database: Database) -> list[dict[str, Any]]:
    return [json.loads(link.entry or "null") for link in audit_reading.links(database, 0)]


def test_row_has_the_principal_and_address_that_api_gateway_names(
    start: Callable[..., Database],
) -> None:
    database = start()
    assert ask("DeleteCollection", {"CollectionId": "staff"})["status"] == 400
    (row,) = rows(database)
    assert row.pop("time").endswith("+00:00")
    assert row == {
        "operation": "DeleteCollection",
        "outcome": "failed",
        "error": "ResourceNotFoundException",
        "caller": ARN,
        "caller_kind": "iam",
        "source": "203.0.113.9",
        "region": "us-east-1",
        "collection": audit.Names(database.audit_secret).collection("us-east-1", "staff"),
        "request": "of DeleteCollection",
    }


def test_request_without_a_principal_is_denied_and_has_a_row(
    start: Callable[..., Database],
) -> None:
    database = start()
    assert ask("ListFaces", {"CollectionId": "staff"}, arn=None)["status"] == 400
    (row,) = rows(database)
    assert (row["outcome"], row["error"]) == ("denied", "MissingAuthenticationTokenException")
    assert "caller" not in row


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AUDIT", "some", "must be one of off, changes, all, not 'some'"),
        ("AUDIT_DAYS", "6", "must be a whole number of at least 7, not '6'"),
    ],
)
def test_settings_of_the_log_are_checked(
    start: Callable[..., Database], name: str, value: str, message: str
) -> None:
    start()
    with pytest.raises(SettingError, match=f"FACEDEX_{name} {message}"):
        settings.Settings.from_environment({**os.environ, f"FACEDEX_{name}": value})


def test_unknown_operations_and_failed_reads_have_no_row(start: Callable[..., Database]) -> None:
    database = start()
    for operation in ("ListFaces", "DescribeCollection", "DetectLabels"):
        assert ask(operation, {"CollectionId": "staff"})["status"] == 400
    assert rows(database) == []


def test_no_request_has_a_row_if_the_log_is_off(start: Callable[..., Database]) -> None:
    database = start(AUDIT="off")
    ask("DeleteCollection", {"CollectionId": "staff"})
    ask("ListFaces", {"CollectionId": "staff"}, arn=None)
    assert rows(database) == []


def test_users_processors_jobs_and_tagged_collections_are_named_by_digests(
    start: Callable[..., Database],
) -> None:
    database = start(AUDIT="all")
    names = audit.Names(database.audit_secret)
    job = "0" * 64
    arn = "arn:aws:rekognition:us-east-1:123456789012:collection/staff"
    ask("CreateUser", {"CollectionId": "staff", "UserId": "ann-smith"})
    ask("DescribeStreamProcessor", {"Name": "hall"})
    ask("GetFaceSearch", {"JobId": job})
    ask("TagResource", {"ResourceArn": arn, "Tags": {"team": "ann-smith"}})
    other = {"ResourceArn": "arn:aws:rekognition:us-east-1:123456789012:project/staff"}
    assert ask("ListTagsForResource", other)["status"] == 400
    found = rows(database)
    assert [row["outcome"] for row in found] == ["failed"] * 5
    assert found[0]["user"] == names.user("us-east-1", "staff", "ann-smith")
    assert found[1]["processor"] == names.processor("us-east-1", "hall")
    assert found[2]["job"] == job
    assert found[3]["collection"] == names.collection("us-east-1", "staff")
    assert not any(name in json.dumps(found) for name in ("staff", "ann-smith", "hall", "team"))


def test_a_flood_of_denied_requests_has_few_rows_which_count_the_others(
    start: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_of_requests, "_BURST", 3.0)
    monkeypatch.setattr(rows_of_requests, "_RATE", 0.0)
    database = start()
    for _ in range(10):
        ask("ListFaces", {"CollectionId": "staff"}, arn=None)
    assert len(rows(database)) == 3
    monkeypatch.setattr(rows_of_requests, "_RATE", 1e9)
    ask("ListFaces", {"CollectionId": "staff"}, arn=None)
    assert [row.get("omitted") for row in rows(database)] == [None, None, None, 7]


def test_a_read_is_refused_if_its_row_cannot_be_written(start: Callable[..., Database]) -> None:
    database = start(AUDIT="all")
    assert ask("ListCollections", {})["status"] == 200
    with database.transaction() as connection:
        connection.execute(
            "ALTER TABLE audit_log ADD CHECK (entry NOT LIKE '%ListCollections%') NOT VALID"
        )
    answer = ask("ListCollections", {})
    assert (answer["status"], "CollectionIds" in answer) == (500, False)
    assert len(rows(database)) == 1


def test_access_keys_are_managed_with_rows(start: Callable[..., Database]) -> None:
    database = start(KEYS_SECRET="a secret of more than thirty-two characters")
    made = manage_keys({"Action": "create", "Name": "ann's door"}, CONTEXT)
    key = made["AccessKeyId"]
    for action in ("disable", "enable", "delete"):
        manage_keys({"Action": action, "AccessKeyId": key}, CONTEXT)
    manage_keys({"Action": "list"}, CONTEXT)
    assert "Error" in manage_keys({"Action": "delete", "AccessKeyId": key}, CONTEXT)
    found = rows(database)
    assert [row["operation"] for row in found] == [
        "CreateAccessKey",
        "DisableAccessKey",
        "EnableAccessKey",
        "DeleteAccessKey",
    ]
    assert {row["access_key"] for row in found} == {key}
    assert {row["request"] for row in found} == {"an invocation"}
    assert made["SecretAccessKey"] not in json.dumps(found)
    assert "ann" not in json.dumps(found)


def test_sweep_removes_rows_after_the_days_of_the_setting(start: Callable[..., Database]) -> None:
    database = start(AUDIT_DAYS="30")
    for time in ("2020-01-01T00:00:00+00:00", audit.timestamp()):
        audit.write_quickly(database, Trail({"time": time, "operation": "X"}).text())
    sweep({}, Context("facedex-sweep", 300, 256, "r"))
    assert [row["operation"] for row in rows(database)] == ["X", "PruneAuditLog"]
    assert verify_table(database, {}).rows == 2


def test_uploads_have_rows_with_the_uploader_that_s3_names(
    function: Callable[..., Bucket], portraits: dict[str, bytes]
) -> None:
    bucket = function(UPLOADS_DELETE_FACES="true")

    def notify(key: str, event: str = "ObjectCreated:Put") -> None:
        record = {
            "eventName": event,
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
            "requestParameters": {"sourceIPAddress": "198.51.100.7"},
            "s3": {"bucket": {"name": bucket.name}, "object": {"key": key}},
        }
        assert bucket.send(json.dumps({"Records": [record]})) == []

    bucket.put("staff/eileen.jpg", portraits["eileen"])
    notify("staff/eileen.jpg")
    ((_, first),) = bucket.faces()
    bucket.put("staff/eileen.jpg", portraits["grace"])
    notify("staff/eileen.jpg")
    ((_, second),) = bucket.faces()
    bucket.s3.delete_object(Bucket=bucket.name, Key="staff/eileen.jpg")
    notify("staff/eileen.jpg", "ObjectRemoved:Delete")
    bucket.put("staff/text.jpg", b"no photo")
    notify("staff/text.jpg")
    found = rows(bucket.database)
    assert [(row["operation"], row["outcome"], row.get("faces")) for row in found] == [
        ("IndexUpload", "allowed", [first]),
        ("DeleteUploadedFaces", "allowed", [first]),
        ("IndexUpload", "allowed", [second]),
        ("DeleteUploadedFaces", "allowed", [second]),
        ("IndexUpload", "failed", None),
    ]
    assert {row["caller"] for row in found} == {"AWS:AIDAEXAMPLE"}
    assert {row["source"] for row in found} == {"198.51.100.7"}
    assert {row["collection"] for row in found} == {
        audit.Names(bucket.database.audit_secret).collection("us-east-1", "staff")
    }
    assert "eileen" not in json.dumps(found)


@pytest.mark.parametrize(
    ("identity", "address", "written"),
    [(["ann-smith"], 7, (None, None)), ({"principalId": "a\0nn\ud800"}, "\n", ("ann", None))],
)
def test_a_notification_with_odd_identities_is_still_indexed(
    function: Callable[..., Bucket],
    portraits: dict[str, bytes],
    identity: object,
    address: object,
    written: tuple[str | None, str | None],
) -> None:
    bucket = function()
    bucket.put("staff/eileen.jpg", portraits["eileen"])
    record = {
        "eventName": "ObjectCreated:Put",
        "userIdentity": identity,
        "requestParameters": {"sourceIPAddress": address},
        "s3": {"bucket": {"name": bucket.name}, "object": {"key": "staff/eileen.jpg"}},
    }
    assert bucket.send(json.dumps({"Records": [record]})) == []
    (row,) = rows(bucket.database)
    assert (row["operation"], (row.get("caller"), row.get("source"))) == ("IndexUpload", written)
    audit_upkeep.prune(bucket.database, 7)  # reads the rows as jsonb


def test_photos_of_a_bulk_execution_have_rows(
    function: Callable[..., Bucket], portraits: dict[str, bytes]
) -> None:
    bucket = function()
    bucket.put("ann.jpg", portraits["eileen"])
    bucket.put("text.jpg", b"no photo")
    asked = {"Bucket": bucket.name, "CollectionId": "staff"}
    event = {"Action": "check", "Input": asked, "Buckets": [bucket.name], "MaxConcurrency": 10}
    order = index_bulk(event, CONTEXT)
    for key in ("ann.jpg", "text.jpg"):
        index_bulk({"Action": "index", "Order": order, "Key": key}, CONTEXT)
    done, failed = rows(bucket.database)
    ((_, face),) = bucket.faces()
    assert (done["operation"], done["outcome"], done["faces"]) == ("IndexBulk", "allowed", [face])
    assert (failed["outcome"], failed["error"]) == ("failed", "InvalidImageFormatException")
    assert done["request"] == CONTEXT.aws_request_id
