"""Which streams there are, as moto has it, and the media of each."""

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
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.wsgi import WsgiApplication, call

_HOUR: Final = 3600.0
# What Kinesis Video Streams holds of a stream that keeps nothing:
# https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_CreateStream.html
_UNKEPT: Final = 300.0  # seconds
_EXPIRY: Final = 5.0  # seconds between looks for media that is too old


class NoStream(Exception):
    """There is no such stream.

    Attributes:
        answer: what moto says to it.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__("There is no such stream.")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that exists.

    Attributes:
        persists: whether it keeps media for hours, and so acknowledges that.
    """

    buffer: Buffer
    persists: bool


class Streams:
    """The streams of moto, each with its media.

    Args:
        moto: answers for the streams themselves.
        most_bytes: bytes of media that are held for each.
        clock: tells the time.
    """

    def __init__(self, moto: WsgiApplication, *, most_bytes: int, clock: Clock = time.time) -> None:
        self._moto = moto
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._buffers: dict[str, Buffer] = {}
        self._closed = False

    def find(self, environ: Environ, stream: dict[str, str]) -> Stream:
        """The stream that a request names.

        Args:
            environ: the request; its signature tells account and region.
            stream: StreamName or StreamARN.

        Raises:
            NoStream: there is none.
        """
        # A stream that is deleted between the two steps would leave its media behind.
        with self._lock:
            answer = self.ask(environ, "/describeStream", json.dumps(stream).encode())
            if answer.status != 200:
                raise NoStream(answer)
            found: dict[str, Any] = json.loads(answer.body)["StreamInfo"]
            hours = found.get("DataRetentionInHours") or 0
            buffer = self._buffers.get(found["StreamARN"])
            if buffer is None:
                buffer = Buffer(
                    most_bytes=self._most_bytes,
                    seconds=hours * _HOUR or _UNKEPT,
                    clock=self._clock,
                )
                if self._closed:
                    buffer.close()
                self._buffers[found["StreamARN"]] = buffer
            return Stream(buffer, persists=hours > 0)

    def delete(self, environ: Environ, body: bytes, arn: str) -> Answer:
        """Have moto delete a stream, and forget its media if it does."""
        with self._lock:
            answer = self.ask(environ, "/deleteStream", body)
            if answer.status == 200 and (buffer := self._buffers.pop(arn, None)):
                buffer.close()
            return answer

    def expire(self) -> None:
        """Forget media that is too old, also of streams that nobody touches."""
        with self._lock:
            buffers = list(self._buffers.values())
        for buffer in buffers:
            buffer.expire()

    def close(self) -> None:
        """Forget all media, and end all reading and sending."""
        with self._lock:
            self._closed = True
            for buffer in self._buffers.values():
                buffer.close()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Take and give media while the block runs, and forget what becomes too old."""
        ended = threading.Event()

        def expire() -> None:
            while not ended.wait(_EXPIRY):
                self.expire()

        thread = threading.Thread(target=expire, name="media expiry", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            shutdown.run("closing streams", self.close)
            shutdown.join(thread)

    def ask(self, environ: Environ, path: str, body: bytes) -> Answer:
        """What moto answers to a request of the same caller for another path and body."""
        asked = environ | {
            "PATH_INFO": path,
            "REQUEST_URI": path,
            "RAW_URI": path,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
        }
        asked.pop("HTTP_TRANSFER_ENCODING", None)
        return call(self._moto, asked)
