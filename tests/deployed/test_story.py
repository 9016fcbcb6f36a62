"""Image operations through the deployed API Gateway, with callers that IAM judges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.deployed.account import EVENTS, Account, Stack


@pytest.fixture
def collection(stack: Stack) -> Iterator[str]:
    stack.caller().create_collection(CollectionId="staff")
    yield "staff"
    stack.caller().delete_collection(CollectionId="staff")


def test_the_story_of_a_collection(
    stack: Stack, collection: str, portraits: dict[str, bytes]
) -> None:
    rekognition = stack.caller()
    (record,) = rekognition.index_faces(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}, ExternalImageId="eileen"
    )["FaceRecords"]
    face = record["Face"]["FaceId"]
    (detail,) = rekognition.detect_faces(Image={"Bytes": portraits["grace"]})["FaceDetails"]
    assert detail["Confidence"] > 90
    (match,) = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}
    )["FaceMatches"]
    assert (match["Face"]["FaceId"], match["Face"]["ExternalImageId"]) == (face, "eileen")
    searched = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": portraits["grace"]}
    )
    assert searched["FaceMatches"] == []
    rekognition.create_user(CollectionId=collection, UserId="ann")
    rekognition.associate_faces(CollectionId=collection, UserId="ann", FaceIds=[face])
    (found,) = rekognition.search_users_by_image(
        CollectionId=collection, Image={"Bytes": portraits["eileen"]}
    )["UserMatches"]
    assert found["User"]["UserId"] == "ann"
    described = rekognition.describe_collection(CollectionId=collection)
    assert (described["FaceCount"], described["UserCount"]) == (1, 1)
    compared = rekognition.compare_faces(
        SourceImage={"Bytes": portraits["eileen"]}, TargetImage={"Bytes": portraits["grace"]}
    )
    assert (compared["FaceMatches"], len(compared["UnmatchedFaces"])) == ([], 1)
    rekognition.disassociate_faces(CollectionId=collection, UserId="ann", FaceIds=[face])
    assert rekognition.delete_faces(CollectionId=collection, FaceIds=[face])["DeletedFaces"] == [
        face
    ]
    assert rekognition.list_faces(CollectionId=collection)["Faces"] == []


def test_a_change_is_in_the_audit_log_that_functions_cannot_change(
    account: Account, stack: Stack, collection: str
) -> None:
    stack.caller().create_user(CollectionId=collection, UserId="ann")
    function = stack.emulator.client("lambda").get_function_configuration(
        FunctionName=stack.function("create_user")
    )
    host = urlsplit(function["Environment"]["Variables"]["FACEDEX_DATABASE_URL"]).hostname or ""
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'audit_log'"
    assert account.databases.query(host, owner) == [("facedex_audit",)]
    chained = "SELECT entry FROM audit_chain JOIN audit_log USING (id) ORDER BY position"
    row = json.loads(account.databases.query(host, chained)[-1][0])
    assert (row["operation"], row["outcome"]) == ("CreateUser", "allowed")
    assert row["caller_kind"] == "iam"
    assert row["caller"].startswith("arn:aws:")


def test_a_modelled_error_keeps_its_type(stack: Stack) -> None:
    rekognition = stack.caller()
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException, match="nothing"):
        rekognition.describe_collection(CollectionId="nothing")


def test_images_come_from_the_buckets_of_the_settings_only(
    stack: Stack, collection: str, portraits: dict[str, bytes]
) -> None:
    s3 = stack.emulator.client("s3")
    s3.create_bucket(Bucket="elsewhere")
    for bucket in (stack.uploads, "elsewhere"):
        s3.put_object(Bucket=bucket, Key="ignored", Body=portraits["eileen"])
    rekognition = stack.caller()

    def detect(bucket: str) -> dict[str, Any]:
        found: dict[str, Any] = rekognition.detect_faces(
            Image={"S3Object": {"Bucket": bucket, "Name": "ignored"}}
        )
        return found

    assert len(detect(stack.uploads)["FaceDetails"]) == 1
    with pytest.raises(rekognition.exceptions.InvalidS3ObjectException):
        detect("elsewhere")
    for bucket in (stack.uploads, "elsewhere"):
        s3.delete_object(Bucket=bucket, Key="ignored")
    s3.delete_bucket(Bucket="elsewhere")


def test_a_sample_event_works_without_the_gateway(stack: Stack) -> None:
    event = json.loads((EVENTS / "list_collections.json").read_text("utf-8"))
    answer = stack.invoke("list_collections", event)
    assert answer["statusCode"] == 200, answer["body"]
    assert "CollectionIds" in json.loads(answer["body"])


def test_unsigned_requests_are_refused(stack: Stack) -> None:
    status, answer = stack.ask_unsigned(f"{stack.url}v1/collections")
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_callers_need_the_permission_of_the_output(stack: Stack) -> None:
    iam = stack.emulator.client("iam")
    iam.create_user(UserName="door")
    key = iam.create_access_key(UserName="door")["AccessKey"]
    door = stack.caller(key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    with pytest.raises(ClientError) as caught:
        door.list_collections()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    statement = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": stack.outputs["CallersMay"],
    }
    iam.put_user_policy(
        UserName="door",
        PolicyName="call",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    assert "CollectionIds" in door.list_collections()
    stranger = stack.caller(key=key["AccessKeyId"], secret="x" * 40)
    with pytest.raises(ClientError):
        stranger.list_collections()
