"""The streams that exist in moto, and the media of each."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from facedex_local import shutdown
from facedex_local.aws.kinesis_video.buffer import Buffer, Clock
from facedex_local.background import running
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.wsgi import WsgiApplication, call

_HOUR: Final = 3600.0
# How long Kinesis Video Streams buffers the media of a stream with a retention of 0 hours:
# https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_CreateStream.html
_BUFFER_SECONDS: Final = 300.0
_EXPIRY: Final = 5.0  # seconds between removals of old media


class NoStream(Exception):
    """The stream does not exist.

    Attributes:
        answer: moto's error response.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__("The stream does not exist.")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Stream:
    """An existing stream.

    Attributes:
        buffer: the stream's media.
        persists: whether the stream has a retention period, and so acknowledges fragments as
            persisted.
    """

    buffer: Buffer
    persists: bool


class Streams:
    """The streams of moto, each with its media.

    Args:
        moto: answers requests about the streams themselves.
        most_bytes: the maximum size of each stream's media in memory.
        clock: returns the current time.
    """

    def __init__(self, moto: WsgiApplication, *, most_bytes: int, clock: Clock = time.time) -> None:
        self._moto = moto
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._buffers: dict[str, Buffer] = {}
        self._closed = False

    def find(self, environ: Environ, stream: dict[str, str]) -> Stream:
        """Return the stream that a request names.

        Args:
            environ: the request; its signature determines account and region.
            stream: StreamName or StreamARN.

        Raises:
            NoStream: if the stream does not exist.
        """
        # Under the lock, because the media of a stream that is deleted between the two steps
        # would never be removed.
        with self._lock:
            answer = self.forward(environ, "/describeStream", json.dumps(stream).encode())
            if answer.status != 200:
                raise NoStream(answer)
            found: dict[str, Any] = json.loads(answer.body)["StreamInfo"]
            hours = found.get("DataRetentionInHours") or 0
            buffer = self._buffers.get(found["StreamARN"])
            if buffer is None:
                buffer = Buffer(
                    most_bytes=self._most_bytes,
                    seconds=hours * _HOUR or _BUFFER_SECONDS,
                    clock=self._clock,
                )
                if self._closed:
                    buffer.close()
                self._buffers[found["StreamARN"]] = buffer
            return Stream(buffer, persists=hours > 0)

    def delete(self, environ: Environ, body: bytes, arn: str) -> Answer:
        """Delete a stream from moto, and its media from memory."""
        with self._lock:
            answer = self.forward(environ, "/deleteStream", body)
            if answer.status == 200 and (buffer := self._buffers.pop(arn, None)):
                buffer.close()
            return answer

    def expire(self) -> None:
        """Remove media that is too old, including that of unused streams."""
        with self._lock:
            buffers = list(self._buffers.values())
        for buffer in buffers:
            buffer.expire()

    def close(self) -> None:
        """Remove all media, and end all PutMedia and GetMedia requests."""
        with self._lock:
            self._closed = True
            for buffer in self._buffers.values():
                buffer.close()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Remove old media regularly while the block runs, and close all streams at its end."""

        def expire(ended: threading.Event) -> None:
            while not ended.wait(_EXPIRY):
                self.expire()

        with running("media expiry", expire):
            try:
                yield
            finally:
                shutdown.run("closing streams", self.close)

    def forward(self, environ: Environ, path: str, body: bytes) -> Answer:
        """Return moto's response to the same caller's request with another path and body."""
        forwarded = environ | {
            "PATH_INFO": path,
            "REQUEST_URI": path,
            "RAW_URI": path,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
        }
        forwarded.pop("HTTP_TRANSFER_ENCODING", None)
        return call(self._moto, forwarded)
