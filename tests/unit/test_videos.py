"""Videos in S3 that are too large are rejected before any byte is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from facedex.api.errors import VideoTooLargeException
from facedex.aws import objects
from facedex.aws.videos import locate

LARGEST = 10 * 1024**3
PLACE = {"S3Object": {"Bucket": "films", "Name": "long.mp4"}}


class _Store(BaseHTTPRequestHandler):
    """A server that declares a size for every object but sends no bytes."""

    size = 0

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.size))
        self.send_header("ETag", '"0123"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Store]]:
    with HTTPServer(("127.0.0.1", 0), _Store) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        objects.client.cache_clear()
        yield _Store
        objects.client.cache_clear()
        server.shutdown()
        thread.join()


def test_a_video_of_ten_gigabytes_is_accepted_and_a_larger_one_is_refused(
    store: type[_Store],
) -> None:
    store.size = LARGEST
    assert locate(PLACE).size == LARGEST
    store.size = LARGEST + 1
    with pytest.raises(VideoTooLargeException, match=str(LARGEST)):
        locate(PLACE)
