"""Photos put into the uploads bucket of ``facedex up`` can be searched moments later."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from facedex_local.aws.moto_app import Moto
from facedex_local.http.listener import Listener
from facedex_local.http.wsgi import Wsgi
from tests.conftest import Server
from tests.e2e.uploading import named_faces, take_letters, variants, wait_until


@pytest.fixture
def staff(server: Server) -> Iterator[str]:
    name = f"staff-{uuid4().hex}"
    client = server.client("rekognition")
    client.create_collection(CollectionId=name)
    yield name
    client.delete_collection(CollectionId=name)


def test_an_upload_by_the_aws_cli_is_found(
    server: Server, staff: str, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    photo = tmp_path / "me.png"
    photo.write_bytes(portraits["eileen"])
    named = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    aws = str(Path(sys.executable).with_name("aws"))
    words = ["s3", "cp", str(photo), f"s3://uploads/{staff}/me.png", "--metadata", "max-faces=1"]
    subprocess.run([aws, *words], check=True, capture_output=True, env={**os.environ, **named})
    wait_until(lambda: named_faces(server, staff))
    found = server.client("rekognition").search_faces_by_image(
        CollectionId=staff, Image={"Bytes": portraits["eileen"]}
    )
    assert [match["Face"]["ExternalImageId"] for match in found["FaceMatches"]] == ["me"]
    wait_until(lambda: f"uploads/{staff}/me.png indexed 1 face" in server.log.read_text())


def test_an_upload_and_index_faces_give_the_same_face(
    server: Server, staff: str, portraits: dict[str, bytes]
) -> None:
    server.client("s3").put_object(
        Bucket="uploads", Key=f"{staff}/grace.jpg", Body=portraits["grace"]
    )
    wait_until(lambda: named_faces(server, staff))
    client = server.client("rekognition")
    (stored,) = client.list_faces(CollectionId=staff)["Faces"]
    (record,) = client.index_faces(
        CollectionId=staff, Image={"Bytes": portraits["grace"]}, ExternalImageId="grace"
    )["FaceRecords"]
    assert record["Face"]["FaceId"] == stored["FaceId"]


def test_poison_blocks_nothing_and_duplicates_change_nothing(
    server: Server, staff: str, portraits: dict[str, bytes]
) -> None:
    s3 = server.client("s3")
    photos = variants(portraits["grace"], 10)
    poison = {
        "garbage.jpg": (b"garbage", "InvalidImageFormatException"),
        "empty.png": (b"", "InvalidImageFormatException"),
        "cut.png": (portraits["eileen"][:5000], "InvalidImageFormatException"),
        "deep/er.jpg": (photos[0], "InvalidUploadKey"),
        "text.txt": (b"hello", "InvalidUploadKey"),
    }
    puts: list[tuple[str, bytes]] = []
    for number in range(10):
        puts += [(f"{staff}/{name}", body) for name, (body, _) in poison.items()]
        puts += [(f"{staff}/p{number}.jpg", photos[number])] * 2
    puts += [(f"nobody-{staff}/p.jpg", photos[0]), (f"{staff}/", b"")]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda each: s3.put_object(Bucket="uploads", Key=each[0], Body=each[1]), puts)
        )
    expected = {f"p{number}": 1 for number in range(10)}
    wait_until(lambda: len(named_faces(server, staff)) == len(expected))
    codes = {f"{staff}/{name}": code for name, (_, code) in poison.items()}
    codes[f"nobody-{staff}/p.jpg"] = "ResourceNotFoundException"
    found: dict[str, str] = {}
    wait_until(lambda: found.update(take_letters(server)) or len(found) >= len(codes))
    assert found == codes
    queue = server.client("sqs").get_queue_url(QueueName="facedex-uploads")["QueueUrl"]

    def is_empty() -> bool:
        answer = server.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        return all(
            answer["Attributes"][f"ApproximateNumberOfMessages{more}"] == "0"
            for more in ("", "NotVisible")
        )

    wait_until(is_empty)
    assert named_faces(server, staff) == expected
    tags = s3.get_object_tagging(Bucket="uploads", Key=f"{staff}/garbage.jpg")["TagSet"]
    assert {"Key": "facedex:status", "Value": "failed"} in tags


def test_pending_uploads_are_reported_at_a_stop_and_deletions_remove_faces_if_chosen(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    server = launch(FACEDEX_UPLOADS_DELETE_FACES="true")
    s3 = server.client("s3")
    server.client("rekognition").create_collection(CollectionId="staff")
    for name, photo in portraits.items():
        s3.put_object(Bucket="uploads", Key=f"staff/{name}.jpg", Body=photo)
    wait_until(lambda: len(named_faces(server, "staff")) == 2)
    s3.delete_object(Bucket="uploads", Key="staff/grace.jpg")
    wait_until(lambda: named_faces(server, "staff") == {"eileen": 1})
    photos = variants(portraits["grace"], 250)
    with ThreadPoolExecutor(8) as pool:
        keys = [f"staff/p{number}.jpg" for number in range(len(photos))]
        list(
            pool.map(
                lambda key, body: s3.put_object(Bucket="uploads", Key=key, Body=body), keys, photos
            )
        )
    assert server.stop() == 0
    done = len(named_faces(launch(), "staff")) - 1
    log = server.log.read_text()
    left = len(photos) - done
    assert left == 0 or f"uploads that were still waiting: {left};" in log


def test_uploads_to_an_s3_and_sqs_elsewhere_are_indexed(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    elsewhere = Listener(Wsgi(Moto()), host="127.0.0.1", port=0, threads=16)
    elsewhere.start()
    try:
        server = launch(AWS_ENDPOINT_URL=elsewhere.url)
        server.client("rekognition").create_collection(CollectionId="staff")
        s3 = server.client("s3", endpoint_url=elsewhere.url)
        s3.put_object(Bucket="uploads", Key="staff/grace.jpg", Body=portraits["grace"])
        wait_until(lambda: named_faces(server, "staff") == {"grace": 1})
        assert server.stop() == 0
    finally:
        elsewhere.stop()


def test_the_server_runs_without_uploads_when_s3_cannot_notify_the_queue(
    launch: Callable[..., Server],
) -> None:
    server = launch(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
    assert server.client("rekognition").list_collections()["CollectionIds"] == []
    wait_until(lambda: "uploads are not indexed: S3 and SQS are at" in server.log.read_text())
