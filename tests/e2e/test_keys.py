"""``--auth keys`` with real SDKs, real keys, and many kinds of invalid or forged requests."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from tests.conftest import Server

_NO_RETRIES = Config(retries={"max_attempts": 0}, parameter_validation=False)
_BIN = Path(sys.executable).parent
_CACHE = 1  # seconds for which the server caches a key

Key = tuple[str, str]


def facedex(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(_BIN / "facedex"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def create_key(directory: Path, *options: str) -> Key:
    made = facedex("keys", "create", f"--data-dir={directory}", *options)
    assert made.returncode == 0, made.stderr
    exported = dict(line.removeprefix("export ").split("=", 1) for line in made.stdout.splitlines())
    return exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded") / "data"


@pytest.fixture(scope="module")
def early_key(directory: Path) -> Key:
    """Return a key that was created before the server's first start."""
    return create_key(directory, "--name=[early] bird")


@pytest.fixture(scope="module")
def guarded(directory: Path, early_key: Key, pack_directory: Path) -> Iterator[Server]:
    running = Server(
        directory,
        "--port=0",
        "--auth=keys",
        FACEDEX_MODELS=str(pack_directory.parent),
        FACEDEX_KEYS_CACHE=str(_CACHE),
    )
    yield running
    assert running.stop() == 0
    log = running.log.read_text()
    assert "Traceback" not in log
    assert "Signature" not in log
    assert early_key[1] not in log


@pytest.fixture(scope="module")
def key(guarded: Server, directory: Path) -> Key:
    """Return a key that was created while the server was running."""
    assert guarded.process.poll() is None
    return create_key(directory)


def client(server: Server, key: Key, service: str = "rekognition", **options: Any) -> Any:
    return server.client(
        service,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        **{"config": _NO_RETRIES, **options},
    )


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(refused.value.response["Error"]["Code"])


def ask(
    url: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Send a plain HTTP request with the path exactly as written."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, body or None, headers or {})
    with connection.getresponse() as answer:
        document = json.loads(answer.read())
    connection.close()
    return answer.status, document


def signed(
    url: str, key: Key, method: str = "GET", body: bytes = b"", service: str = "rekognition"
) -> dict[str, str]:
    """Return the headers of a signed request for a plain HTTP client."""
    request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(ReadOnlyCredentials(*key, None), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


def presign(url: str, key: Key, expires: int) -> str:
    request = AWSRequest("GET", url)
    SigV4QueryAuth(
        ReadOnlyCredentials(*key, None), "rekognition", "us-east-1", expires=expires
    ).add_auth(request)
    return str(request.url)


def test_boto3_works_with_a_key(guarded: Server, key: Key, early_key: Key) -> None:
    client(guarded, key).create_collection(CollectionId="made-with-a-key")
    assert "made-with-a-key" in client(guarded, early_key).list_collections()["CollectionIds"]


def test_any_region_is_taken_from_the_signature(guarded: Server, key: Key) -> None:
    assert client(guarded, key, region_name="ap-southeast-2").list_collections()


def test_the_aws_cli_works_with_a_key(guarded: Server, key: Key) -> None:
    def aws(secret: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(_BIN / "aws"), "rekognition", "list-collections", "--region=us-east-1"],
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


def test_health_needs_no_key(guarded: Server) -> None:
    assert ask(f"{guarded.url}/health")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/", {"X-Amz-Target": "RekognitionService.ListCollections"}),
        ("POST", "/", {"X-Amz-Target": "RekognitionService.Nothing"}),
        ("GET", "/v1/collections", {}),
        ("DELETE", "/v1/collections/made-with-a-key", {}),
    ],
)
def test_an_unsigned_request_is_refused(
    guarded: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    status, answer = ask(f"{guarded.url}{path}", method, headers=headers)
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_a_wrong_secret_and_an_unknown_key_are_distinguished(guarded: Server, key: Key) -> None:
    wrong = client(guarded, (key[0], "wrong"))
    assert code(wrong.list_collections) == "InvalidSignatureException"
    for unknown in ("testing", "FDXAAAAAAAAAAAAAAAAA", "AKIAIOSFODNN7EXAMPLE"):
        stranger = client(guarded, (unknown, key[1]))
        assert code(stranger.list_collections) == "UnrecognizedClientException"


def test_a_session_token_is_not_recognised(guarded: Server, key: Key) -> None:
    with_token = client(guarded, key, aws_session_token="token")
    assert code(with_token.list_collections) == "UnrecognizedClientException"


def test_a_disabled_key_stops_working_and_an_enabled_one_works_again(
    guarded: Server, directory: Path
) -> None:
    key = create_key(directory)
    rekognition = client(guarded, key)
    assert rekognition.list_collections()
    assert facedex("keys", "disable", key[0], f"--data-dir={directory}").returncode == 0
    assert _until_refused(rekognition.list_collections) == "UnrecognizedClientException"
    assert facedex("keys", "enable", key[0], f"--data-dir={directory}").returncode == 0
    assert rekognition.list_collections()
    assert facedex("keys", "delete", key[0], f"--data-dir={directory}").returncode == 0
    assert _until_refused(rekognition.list_collections) == "UnrecognizedClientException"


def _until_refused(call: Callable[[], object]) -> str:
    deadline = time.monotonic() + 20 * _CACHE
    while time.monotonic() < deadline:
        try:
            call()
        except ClientError as refused:
            return str(refused.response["Error"]["Code"])
        time.sleep(0.05)
    raise AssertionError("the key still works")


@pytest.mark.parametrize(
    ("minutes", "says"), [(-6, "Signature expired"), (6, "Signature not yet current")]
)
def test_a_clients_clock_must_be_right(
    guarded: Server, key: Key, monkeypatch: pytest.MonkeyPatch, minutes: int, says: str
) -> None:
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: wrong)
    with pytest.raises(ClientError, match=says) as refused:
        client(guarded, key).list_collections()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_an_old_request_cannot_be_given_a_new_date(guarded: Server, key: Key) -> None:
    url = f"{guarded.url}/v1/collections"
    headers = signed(url, key)
    later = datetime.now(UTC) + timedelta(seconds=30)
    headers["X-Amz-Date"] = later.strftime("%Y%m%dT%H%M%SZ")
    status, answer = ask(url, headers=headers)
    assert (status, answer["__type"]) == (400, "InvalidSignatureException")


def _other_body(request: Any) -> None:
    request.body = b'{"CollectionId": "made-with-a-key"}'


def _other_target(request: Any) -> None:
    del request.headers["X-Amz-Target"]
    request.headers["X-Amz-Target"] = "RekognitionService.DeleteCollection"


def _other_type(request: Any) -> None:
    del request.headers["Content-Type"]
    request.headers["Content-Type"] = "image/jpeg"


def _another_header(request: Any) -> None:
    request.headers["X-Amz-Another"] = "unsigned"


def _a_query(request: Any) -> None:
    request.url += "?MaxResults=1"


def _no_date(request: Any) -> None:
    del request.headers["X-Amz-Date"]


def _no_signature(request: Any) -> None:
    del request.headers["Authorization"]


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (_other_body, "InvalidSignatureException"),
        (_other_target, "InvalidSignatureException"),
        (_other_type, "InvalidSignatureException"),
        (_another_header, "InvalidSignatureException"),
        (_a_query, "InvalidSignatureException"),
        (_no_date, "IncompleteSignatureException"),
        (_no_signature, "MissingAuthenticationTokenException"),
    ],
)
def test_a_tampered_request_is_refused_and_changes_nothing(
    guarded: Server, key: Key, tamper: Callable[[Any], None], expected: str
) -> None:
    rekognition = client(guarded, key)

    def change(request: Any, **_: Any) -> None:
        tamper(request)

    rekognition.meta.events.register("before-send.rekognition", change)
    assert code(lambda: rekognition.create_collection(CollectionId="tampered")) == expected
    left = client(guarded, key).list_collections()["CollectionIds"]
    assert "tampered" not in left


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


def test_a_read_only_key_reads_and_changes_nothing(
    guarded: Server, key: Key, directory: Path, portraits: dict[str, bytes]
) -> None:
    writer = client(guarded, key)
    writer.create_collection(CollectionId="read-only")
    reader_key = create_key(directory, "--read-only")
    reader = client(guarded, reader_key)
    image = {"Bytes": portraits["eileen"]}
    assert "read-only" in reader.list_collections()["CollectionIds"]
    assert reader.detect_faces(Image=image)["FaceDetails"]
    assert reader.search_faces_by_image(CollectionId="read-only", Image=image)["FaceMatches"] == []
    denied = [
        lambda: reader.create_collection(CollectionId="another"),
        lambda: reader.delete_collection(CollectionId="read-only"),
        lambda: reader.index_faces(CollectionId="read-only", Image=image),
        lambda: reader.create_user(CollectionId="read-only", UserId="ann"),
        reader.associate_faces,
    ]
    for call in denied:
        assert code(call) == "AccessDeniedException"
    url = f"{guarded.url}/v1/collections/read-only"
    status, answer = ask(url, "DELETE", headers=signed(url, reader_key, "DELETE"))
    assert (status, answer["__type"]) == (400, "AccessDeniedException")
    assert writer.describe_collection(CollectionId="read-only")["FaceCount"] == 0


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/rekognition/aws4_request, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=a/b/c/rekognition/aws4_request,SignedHeaders=host,Signature=0",
        "AWS4-HMAC-SHA256 " + "Credential=/, " * 500,
        "AWS4-HMAC-SHA256 " + "x" * 20_000,
        "Basic dGVzdDp0ZXN0",
        "Bearer eyJhbGciOiJub25lIn0",
        "",
        "\xff\xfe",
    ],
)
def test_a_garbage_authorization_header_is_refused(guarded: Server, authorization: str) -> None:
    headers = {
        "Authorization": authorization,
        "X-Amz-Target": "RekognitionService.ListCollections",
        "X-Amz-Date": "20260101T000000Z",
    }
    status, answer = ask(guarded.url + "/", "POST", b"{}", headers)
    assert status == 400
    assert answer["__type"] in (
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
    )


@pytest.mark.usefixtures("guarded")
def test_the_list_shows_every_key_and_no_secret(directory: Path, key: Key, early_key: Key) -> None:
    listed = facedex("keys", "list", f"--data-dir={directory}", COLUMNS="120")
    assert listed.returncode == 0
    assert key[0] in listed.stdout
    assert "[early] bird" in listed.stdout
    assert key[1] not in listed.stdout
    assert early_key[1] not in listed.stdout


@pytest.mark.usefixtures("guarded")
def test_an_unknown_key_is_named_in_the_error(directory: Path) -> None:
    for command in ("disable", "enable", "delete"):
        refused = facedex("keys", command, "FDXAAAAAAAAAAAAAAAAA", f"--data-dir={directory}")
        assert refused.returncode == 1
        assert refused.stderr == "Error: There is no access key 'FDXAAAAAAAAAAAAAAAAA'\n"


@pytest.mark.usefixtures("early_key")
def test_the_keys_secret_is_readable_only_by_its_owner(directory: Path) -> None:
    assert (directory / "keys.secret").stat().st_mode & 0o777 == 0o600


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
