"""Many concurrent uploads with duplicates and invalid files, while the server is killed.

``FACEDEX_TEST_UPLOADS`` says how many; the issue of it is a thousand, CI takes fewer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config

from tests.conftest import Server
from tests.e2e.uploading import (
    named_faces,
    storage_elsewhere,
    take_letters,
    variants,
    wait_until,
    waiting,
)

COUNT = int(os.environ.get("FACEDEX_TEST_UPLOADS", "60"))
PATIENCE = 60.0 + COUNT  # seconds


def faces_in(server: Server) -> int:
    described = server.client("rekognition").describe_collection(CollectionId="staff")
    return int(described["FaceCount"])


@pytest.fixture
def storage() -> Iterator[str]:
    """Return the address of an S3 and SQS in a separate process, which outlives the server."""
    with storage_elsewhere() as url:
        yield url


def test_a_kill_during_many_uploads_loses_none(
    launch: Callable[..., Server], storage: str, portraits: dict[str, bytes]
) -> None:
    """No photo is uploaded again: objects in S3 and messages in SQS are indexed after a restart."""
    photos = variants(portraits["eileen"], COUNT)
    garbage = [f"staff/garbage{number}.jpg" for number in range(0, COUNT, 10)]
    puts = [
        (f"staff/p{number}.jpg", photo)
        for number, photo in enumerate(photos)
        # Some are uploaded twice at the same time.
        for _ in range(2 if number % 5 == 0 else 1)
    ]
    puts += [(key, b"garbage") for key in garbage]
    first = launch(AWS_ENDPOINT_URL=storage)
    first.client("rekognition").create_collection(CollectionId="staff")
    sqs = first.client("sqs", endpoint_url=storage)
    queue = sqs.get_queue_url(QueueName="facedex-uploads")["QueueUrl"]
    # Delay until SQS delivers a killed server's messages again; the default is a minute.
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "6"})
    s3 = first.client("s3", endpoint_url=storage, config=Config(max_pool_connections=32))

    def put(each: tuple[str, bytes]) -> None:
        s3.put_object(Bucket="uploads", Key=each[0], Body=each[1])

    with ThreadPoolExecutor(32) as pool:
        storm = threading.Thread(target=lambda: list(pool.map(put, puts)))
        storm.start()
        wait_until(lambda: faces_in(first) > COUNT // 5, PATIENCE)
        first.process.kill()
        first.process.wait()
        assert storm.is_alive() or waiting(sqs, queue)  # the server had not indexed all
        again = launch(AWS_ENDPOINT_URL=storage)
        storm.join()
    wait_until(lambda: faces_in(again) == COUNT, PATIENCE)
    letters: dict[str, str] = {}
    wait_until(
        lambda: (
            letters.update(take_letters(again, endpoint_url=storage))
            or len(letters) >= len(garbage)
        )
    )
    wait_until(lambda: waiting(sqs, queue) == 0, PATIENCE)
    assert named_faces(again, "staff") == {f"p{number}": 1 for number in range(COUNT)}
    assert letters == dict.fromkeys(garbage, "InvalidImageFormatException")
    assert again.stop() == 0


def test_each_face_is_stored_once_after_a_kill_during_a_burst(
    launch: Callable[..., Server], portraits: dict[str, bytes]
) -> None:
    count = COUNT
    photos = variants(portraits["eileen"], count)

    def upload(server: Server) -> None:
        s3 = server.client("s3", config=Config(retries={"max_attempts": 0}))

        def put(number: int) -> None:
            s3.put_object(Bucket="uploads", Key=f"staff/p{number}.jpg", Body=photos[number])

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(count)))

    first = launch()
    first.client("rekognition").create_collection(CollectionId="staff")
    upload(first)
    before = wait_until(lambda: dict(named_faces(first, "staff")))
    first.process.kill()
    first.process.wait()
    again = launch()
    assert before.items() <= named_faces(again, "staff").items()
    upload(again)
    wait_until(lambda: faces_in(again) == count, PATIENCE)
    assert again.stop() == 0
    last = launch()
    assert named_faces(last, "staff") == {f"p{number}": 1 for number in range(count)}
