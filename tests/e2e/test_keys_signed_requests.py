"""``--auth keys`` answers real SDKs and plain HTTP clients that sign with a real key."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from tests.conftest import Server
from tests.e2e.keys import BIN, Key, ask, client, facedex, presign, signed


def test_boto3_works_with_a_key(guarded: Server, key: Key, early_key: Key) -> None:
    client(guarded, key).create_collection(CollectionId="made-with-a-key")
    assert "made-with-a-key" in client(guarded, early_key).list_collections()["CollectionIds"]


def test_any_region_is_taken_from_the_signature(guarded: Server, key: Key) -> None:
    assert client(guarded, key, region_name="ap-southeast-2").list_collections()


def test_the_aws_cli_works_with_a_key(guarded: Server, key: Key) -> None:
    def aws(secret: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "aws"), "rekognition", "list-collections", "--region=us-east-1"],
            env={
                **os.environ,
                "AWS_ENDPOINT_URL": guarded.url,
                "AWS_ACCESS_KEY_ID": key[0],
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_MAX_ATTEMPTS": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert "CollectionIds" in json.loads(aws(key[1]).stdout)
    assert "(InvalidSignatureException)" in aws("wrong").stderr


def test_faces_are_indexed_from_s3_with_access_keys(
    guarded: Server, key: Key, portraits: dict[str, bytes]
) -> None:
    s3 = client(guarded, key, "s3")
    s3.create_bucket(Bucket="guarded")
    s3.put_object(Bucket="guarded", Key="eileen.png", Body=portraits["eileen"])
    rekognition = client(guarded, key)
    rekognition.create_collection(CollectionId="from-s3")
    image = {"S3Object": {"Bucket": "guarded", "Name": "eileen.png"}}
    assert rekognition.index_faces(CollectionId="from-s3", Image=image)["FaceRecords"]
    again = rekognition.search_faces_by_image(
        CollectionId="from-s3", Image={"Bytes": portraits["eileen"]}
    )
    assert again["FaceMatches"]


@pytest.mark.parametrize("service", ["rekognition", "execute-api"])
def test_rest_routes_work_with_a_key(guarded: Server, key: Key, service: str) -> None:
    name = f"rest.{service}"
    body = json.dumps({"CollectionId": name, "Tags": {"a": "b"}}).encode()
    url = f"{guarded.url}/v1/collections"
    status, made = ask(url, "POST", body, signed(url, key, "POST", body, service))
    assert status == 200
    arn = made["CollectionArn"]
    for safe in ("", ":"):
        url = f"{guarded.url}/v1/tags/{quote(arn, safe=safe)}"
        assert ask(url, headers=signed(url, key, service=service)) == (200, {"Tags": {"a": "b"}})
    url = f"{guarded.url}/v1/collections?MaxResults=1&NextToken=a%2Bb%20c%3D"
    status, document = ask(url, headers=signed(url, key, service=service))
    assert (status, document["__type"]) == (400, "InvalidPaginationTokenException")


def test_a_photo_as_a_rest_body_is_covered_by_the_signature(
    guarded: Server, key: Key, portraits: dict[str, bytes]
) -> None:
    url, photo = f"{guarded.url}/v1/faces/detect", portraits["grace"]
    request = AWSRequest("POST", url, data=photo, headers={"Content-Type": "image/jpeg"})
    SigV4Auth(ReadOnlyCredentials(*key, None), "rekognition", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    status, answer = ask(url, "POST", photo, headers)
    assert (status, len(answer["FaceDetails"])) == (200, 1)
    status, answer = ask(url, "POST", photo + b"\0", headers)
    assert (status, answer["__type"]) == (400, "InvalidSignatureException")


def test_a_signed_body_that_is_not_utf_8_is_refused_for_what_it_is(
    guarded: Server, key: Key, portraits: dict[str, bytes]
) -> None:
    url, photo = f"{guarded.url}/v1/faces/detect", portraits["grace"]
    headers = signed(url, key, "POST", photo)
    status, answer = ask(url, "POST", photo, headers)
    assert (status, answer["__type"]) == (400, "SerializationException")
    assert "set Content-Type to image/jpeg or image/png" in answer["Message"]


def test_health_needs_no_key(guarded: Server) -> None:
    assert ask(f"{guarded.url}/health")[0] == 200


def test_a_presigned_url_works_in_any_http_client(guarded: Server, key: Key) -> None:
    url = presign(f"{guarded.url}/v1/collections?MaxResults=5", key, 60)
    with urllib.request.urlopen(url) as answer:
        assert json.load(answer)["CollectionIds"]
    for changed in (
        url.replace("MaxResults=5", "MaxResults=6"),
        url.replace("-Expires=60", "-Expires=61"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(changed)
        assert json.load(refused.value)["__type"] == "InvalidSignatureException"


def test_a_presigned_url_expires(
    guarded: Server, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = datetime.now(UTC) - timedelta(seconds=90)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: then)
    assert ask(presign(f"{guarded.url}/v1/collections", key, 600))[0] == 200
    status, answer = ask(presign(f"{guarded.url}/v1/collections", key, 60))
    assert (status, answer["__type"]) == (400, "InvalidSignatureException")
    assert answer["Message"].startswith("Signature expired")


def test_an_import_signs_each_request(
    guarded: Server, key: Key, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    for name, portrait in portraits.items():
        (tmp_path / f"{name} of Zoë.jpg").write_bytes(portrait)
    logged = len(guarded.log.read_text())
    command = (
        *("import", str(tmp_path), "--collection=imported"),
        *(f"--endpoint-url={guarded.url}", f"--data-dir={tmp_path / 'data'}"),
    )
    refused = facedex(*command, AWS_ACCESS_KEY_ID=key[0], AWS_SECRET_ACCESS_KEY="wrong")
    assert refused.returncode == 1
    assert "InvalidSignatureException" in refused.stderr
    imported = facedex(*command, AWS_ACCESS_KEY_ID=key[0], AWS_SECRET_ACCESS_KEY=key[1])
    assert imported.returncode == 0, imported.stderr
    log = guarded.log.read_text()[logged:]
    assert log.count(" POST /v1/collections/imported/faces IndexFaces ") == len(portraits)
    client(guarded, key).delete_collection(CollectionId="imported")
