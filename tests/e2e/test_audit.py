"""The audit log of a running server: who did what to which face, and who was not allowed to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from facedex_cli.auditing.exporting import COLUMNS
from tests.conftest import Server
from tests.e2e.keys import Key, ask, client, code, create_key, facedex, signed


class Log:
    """The rows that were added since this was made."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._earlier = len(self.rows())

    def rows(self, *options: str) -> list[dict[str, Any]]:
        """Return the entries, without the fields that differ from run to run."""
        done = facedex("audit", "export", f"--data-dir={self._directory}", *options)
        assert done.returncode == 0, done.stderr
        entries = [json.loads(line)["entry"] for line in done.stdout.splitlines()[1:]]
        for entry in entries:
            assert entry.pop("time")
            assert entry.pop("request")
        return entries if options else entries[getattr(self, "_earlier", 0) :]


@pytest.fixture
def log(guarded: Server, directory: Path) -> Log:
    assert guarded.process.poll() is None
    return Log(directory)


def test_each_change_has_a_row_with_the_caller_and_the_faces(
    guarded: Server, directory: Path, key: Key, log: Log, portraits: dict[str, bytes]
) -> None:
    rekognition = client(guarded, key)
    name = f"staff-{uuid4().hex}"
    image = {"Bytes": portraits["eileen"]}
    rekognition.create_collection(CollectionId=name)
    faces = [
        rekognition.index_faces(CollectionId=name, Image=image, ExternalImageId=external)[
            "FaceRecords"
        ][0]["Face"]["FaceId"]
        for external in ("eileen-collins", "eileen-collins-again", "eileen-collins-again")
    ]
    assert faces[1] == faces[2]
    rekognition.create_user(CollectionId=name, UserId="eileen")
    rekognition.associate_faces(
        CollectionId=name, UserId="eileen", FaceIds=[faces[0]], UserMatchThreshold=0
    )
    # The face of the user stays, one does not exist, and one is deleted.
    gone = [*faces[:2], str(uuid4())]
    assert rekognition.delete_faces(CollectionId=name, FaceIds=gone)["DeletedFaces"] == [faces[1]]
    rekognition.delete_user(CollectionId=name, UserId="eileen")
    rekognition.delete_collection(CollectionId=name)
    rows = log.rows()
    common = {
        "caller": key[0],
        "caller_kind": "key",
        "outcome": "allowed",
        "region": "us-east-1",
        "source": "127.0.0.1",
    }
    collection, user = rows[0]["collection"], rows[4]["user"]
    expected: list[tuple[str, list[str], dict[str, str]]] = [
        ("CreateCollection", [], {}),
        *(("IndexFaces", [face], {}) for face in faces),
        ("CreateUser", [], {"user": user}),
        ("AssociateFaces", faces[:1], {"user": user}),
        ("DeleteFaces", [faces[1]], {}),
        ("DeleteUser", [], {"user": user}),
        ("DeleteCollection", [], {}),
    ]
    assert rows == [
        {
            **common,
            **more,
            **({"faces": touched, "face_count": len(touched)} if touched else {}),
            "operation": operation,
            "collection": collection,
        }
        for operation, touched, more in expected
    ]
    # The names are gone, and who knows them still finds what was done.
    whole = json.dumps(rows)
    assert not any(word in whole for word in (name, "eileen", "collins"))
    chosen = f"--collection={name}"
    assert [row["operation"] for row in log.rows(chosen)] == [each[0] for each in expected]
    assert len(log.rows(chosen, "--user=eileen")) == 3
    assert [row["operation"] for row in log.rows(f"--face={faces[1]}")] == [
        "IndexFaces",
        "IndexFaces",
        "DeleteFaces",
    ]
    verified = facedex("audit", "verify", f"--data-dir={directory}")
    assert verified.returncode == 0, verified.stderr


def test_denied_requests_have_a_row_and_reads_have_none(
    guarded: Server, directory: Path, key: Key, log: Log
) -> None:
    reader_key = create_key(directory, "--read-only")
    reader = client(guarded, reader_key)
    reader.list_collections()
    assert code(lambda: reader.delete_collection(CollectionId="staff")) == "AccessDeniedException"
    forged = client(guarded, (key[0], "not the secret"))
    assert code(forged.list_collections) == "InvalidSignatureException"
    # A secret in the place of the key's id, as in a confused configuration.
    swapped = client(guarded, (key[1], key[0]))
    assert code(swapped.list_collections) in (
        "UnrecognizedClientException",
        "IncompleteSignatureException",
    )
    url = f"{guarded.url}/v1/collections"
    assert ask(url)[1]["Code"] == "MissingAuthenticationTokenException"
    assert code(lambda: client(guarded, key).delete_collection(CollectionId="none")) == (
        "ResourceNotFoundException"
    )
    common = {"outcome": "denied", "region": "us-east-1", "source": "127.0.0.1"}
    created, *rows = log.rows()
    assert (created["operation"], created["access_key"]) == ("CreateAccessKey", reader_key[0])
    assert created["caller_kind"] == "operator"
    name = rows[-1].pop("collection")
    error = rows[2].pop("error")
    assert error in ("UnrecognizedClientException", "IncompleteSignatureException")
    assert rows == [
        {
            **common,
            "operation": "DeleteCollection",
            "caller": reader_key[0],
            "caller_kind": "key",
            "error": "AccessDeniedException",
        },
        {
            **common,
            "operation": "ListCollections",
            "caller": key[0],
            "caller_kind": "claimed",
            "error": "InvalidSignatureException",
        },
        {**common, "operation": "ListCollections"},
        {
            **common,
            "operation": "ListCollections",
            "error": "MissingAuthenticationTokenException",
        },
        {
            **common,
            "operation": "DeleteCollection",
            "caller": key[0],
            "caller_kind": "key",
            "outcome": "failed",
            "error": "ResourceNotFoundException",
        },
    ]
    assert len(name) == 32
    assert key[1] not in json.dumps(rows)


def test_rest_and_json_requests_have_the_same_rows(guarded: Server, key: Key, log: Log) -> None:
    name = f"rest-{uuid4().hex}"
    client(guarded, key).create_collection(CollectionId=name)
    url = f"{guarded.url}/v1/collections/{name}"
    assert ask(url, "DELETE", headers=signed(url, key, "DELETE"))[0] == 200
    created, deleted = log.rows()
    assert deleted == created | {"operation": "DeleteCollection"}


def test_an_extension_of_an_operation_has_its_own_name(guarded: Server, key: Key, log: Log) -> None:
    face = str(uuid4())
    url = f"{guarded.url}/v1/collections/none/users/ann/faces?as=others"
    body = json.dumps({"FaceIds": [face]}).encode()
    assert ask(url, "POST", body, signed(url, key, "POST", body))[0] == 400
    (row,) = log.rows()
    assert (row["operation"], row["outcome"]) == ("DistinguishFaces", "failed")
    assert row["faces"] == [face]


def test_a_job_has_the_row_of_the_request_that_started_it(
    guarded: Server, key: Key, log: Log
) -> None:
    s3 = client(guarded, key, "s3")
    s3.create_bucket(Bucket="films")
    s3.put_object(Bucket="films", Key="film.mp4", Body=b"not a film")
    video = {"S3Object": {"Bucket": "films", "Name": "film.mp4"}}
    rekognition = client(guarded, key)
    (job,) = {
        rekognition.start_face_detection(Video=video, ClientRequestToken="once")["JobId"]
        for _ in range(2)
    }
    rows = log.rows()
    assert [(row["operation"], row["job"]) for row in rows] == [("StartFaceDetection", job)] * 2
    assert "film" not in json.dumps(rows)


def test_all_requests_have_rows_if_the_setting_says_so(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_AUDIT="all")
    rekognition = server.client("rekognition")
    rekognition.create_collection(CollectionId="staff")
    image = {"Bytes": portraits["eileen"]}
    face = rekognition.index_faces(CollectionId="staff", Image=image)["FaceRecords"][0]["Face"]
    rekognition.search_faces_by_image(CollectionId="staff", Image=image)
    rekognition.list_faces(CollectionId="staff")
    rekognition.describe_collection(CollectionId="staff")
    rekognition.detect_faces(Image=image)
    rows = Log(server.directory).rows("--since=2000-01-01")
    assert [row["operation"] for row in rows] == [
        "CreateCollection",
        "IndexFaces",
        "SearchFacesByImage",
        "ListFaces",
        "DescribeCollection",
    ]
    assert {row["caller_kind"] for row in rows} == {"anonymous"}
    assert [row.get("faces") for row in rows[1:4]] == [[face["FaceId"]]] * 3
    command = ("audit", "export", f"--data-dir={server.directory}")
    table = facedex(*command, "--format=csv").stdout.splitlines()
    assert table[0] == ",".join(COLUMNS)
    assert all(",staff," in line for line in table[1:])
    kept = facedex("audit", "head", f"--data-dir={server.directory}").stdout.strip()
    if Path("/dev/full").exists():  # every write to it fails as on a full disk
        sentence = "Error: /dev/full cannot be written (No space left on device).\n"
        assert facedex(*command, "--output=/dev/full").stderr == sentence
    server.stop()
    # Without a server, too.
    verified = facedex("audit", "verify", f"--data-dir={server.directory}", f"--head={kept}")
    assert verified.stdout == f"5 rows are intact; the head is {kept}\n", verified.stderr
