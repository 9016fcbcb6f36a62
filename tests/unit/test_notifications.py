"""Messages to topics whose endpoint misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from facedex.aws import clients
from facedex.aws.notifications import NotSent, publish
from facedex.store.jobs import Job, Order, VideoObject


class _Proxy(BaseHTTPRequestHandler):
    """A server that responds as no AWS service does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        page = b"<html>{not for you"
        self.send_response(400)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture
def topic(proxy: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {
        "AWS_ENDPOINT_URL_SNS": proxy,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    clients.topics.cache_clear()
    yield "arn:aws:sns:us-east-1:123456789012:films"
    clients.topics.cache_clear()


def test_a_response_that_is_not_from_sns_counts_as_not_sent(topic: str) -> None:
    video = VideoObject("films", "lobby.mp4", None, "etag", 1)
    order = Order("StartFaceDetection", video, None, "test-1", topic, None)
    job = Job("1", order, "SUCCEEDED", None, None, None, datetime.now(UTC))
    with pytest.raises(NotSent, match="Unable to parse response") as told:
        publish(topic, job)
    assert "not for you" not in str(told.value)
