"""The application in front of moto that adds the media operations of Kinesis Video Streams."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, Final

from facedex_local.aws.kinesis_video import answers, requests
from facedex_local.aws.kinesis_video.buffer import Buffer
from facedex_local.aws.kinesis_video.ingest import Acknowledgement, Event, Fault, Ingest
from facedex_local.aws.kinesis_video.kinesis_video_errors import (
    FragmentNotFound,
    ProducerBusy,
    Refused,
    StreamClosed,
)
from facedex_local.aws.kinesis_video.reading import Reader
from facedex_local.aws.kinesis_video.streams import NoStream, Streams
from facedex_local.aws.long_polling import LongPolling
from facedex_local.http import routes
from facedex_local.http.exchange import Disconnected, Exchange
from facedex_local.http.gateway import Answer, raw_path
from facedex_local.http.wsgi import WsgiApplication

# The service name in signatures of the clients for streams and for media.
_SERVICE: Final = "kinesisvideo"
_OURS: Final = ("PUT_MEDIA", "GET_MEDIA")
_TICK: Final = 1.0  # seconds between checks whether a request must end
_IDLE: Final = 5.0  # seconds between IDLE acknowledgements
# Seconds without media after which PutMedia ends, as AWS documents. GetMedia ends after the same
# time, which is less than the 60 s after which an SDK reports a read timeout.
_PATIENCE: Final = 30.0
_MAX_REQUESTS: Final = 128  # PutMedia and GetMedia requests at the same time
_LINGER: Final = 2.0  # seconds in which a client can read the response before the server closes


class KinesisVideo:
    """Answers PutMedia, GetMedia and requests for their endpoint; moto answers all others.

    Args:
        moto: answers the other requests.
        streams: the streams and their media.
    """

    def __init__(self, moto: WsgiApplication, streams: Streams) -> None:
        self._moto = LongPolling(moto)
        self._streams = streams
        self._media_requests = 0
        self._operations = {
            "/putMedia": self._put_media,
            "/getMedia": self._get_media,
            "/getDataEndpoint": self._get_data_endpoint,
            "/deleteStream": self._delete_stream,
        }

    async def __call__(self, exchange: Exchange) -> None:
        """Answer as AWS would."""
        environ = exchange.environ
        operation = self._operations.get(raw_path(environ))
        if not operation or routes.signed_for(environ) != _SERVICE:
            await self._moto(exchange)
            return
        try:
            await operation(exchange)
        except NoStream as error:
            refusal = error.answer
        except Refused as error:
            refusal = answers.refused(environ, error)
        else:
            return
        # A rejected producer might continue to send, or wait, for ever.
        producing = operation == self._put_media
        await exchange.answer(refusal, close=producing, linger=_LINGER)

    async def _get_data_endpoint(self, exchange: Exchange) -> None:
        environ = exchange.environ
        body, members = await requests.read_json(exchange)
        if members.get("APIName") not in _OURS:
            answer = await exchange.run(self._streams.forward, environ, raw_path(environ), body)
            await exchange.answer(answer)
            return
        await exchange.run(self._streams.find, environ, requests.read_stream(members))
        # The address that the caller has just used, because the caller can reach it.
        address = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
        found = json.dumps({"DataEndpoint": address}).encode()
        await exchange.answer(Answer(HTTPStatus.OK, [("Content-Type", "application/json")], found))

    async def _delete_stream(self, exchange: Exchange) -> None:
        body, members = await requests.read_json(exchange)
        arn = str(members.get("StreamARN"))
        await exchange.answer(await exchange.run(self._streams.delete, exchange.environ, body, arn))

    async def _get_media(self, exchange: Exchange) -> None:
        _, members = await requests.read_json(exchange)
        wanted = requests.read_start(members)
        named = requests.read_stream(members)
        stream = await exchange.run(self._streams.find, exchange.environ, named)
        try:
            reader = Reader(stream.buffer, wanted)
        except FragmentNotFound:
            await _begin(exchange, "video/webm")
            await exchange.finish(answers.write_not_found())
            return
        with self._counted():
            await _begin(exchange, "video/webm")
            await _deliver(exchange, reader, stream.buffer)
            await exchange.finish()

    async def _put_media(self, exchange: Exchange) -> None:
        media = requests.read_media(exchange.environ)
        stream = await exchange.run(self._streams.find, exchange.environ, media.stream)
        with self._counted():
            ingest = Ingest(stream.buffer, began=media.began, persists=stream.persists)
            try:
                await exchange.run(stream.buffer.admit, ingest)
            except ProducerBusy as error:
                raise Refused("ConnectionLimitExceededException", str(error)) from None
            except StreamClosed as error:
                raise Refused("ResourceNotFoundException", str(error)) from None
            try:
                await _begin(exchange, "application/json", close=True)
                await _receive(exchange, ingest, stream.buffer)
            finally:
                stream.buffer.dismiss(ingest)
        await exchange.discard(_LINGER)
        await exchange.finish()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a request for media while the block runs.

        Raises:
            Refused: if too many requests are running.
        """
        if self._media_requests >= _MAX_REQUESTS:
            raise Refused(
                "ConnectionLimitExceededException",
                "Too many PutMedia and GetMedia requests are open; close some of them.",
            )
        self._media_requests += 1
        try:
            yield
        finally:
            self._media_requests -= 1


async def _begin(exchange: Exchange, content_type: str, *, close: bool = False) -> None:
    """Send the response's head at once: the first byte of the body may follow much later."""
    headers = [("Content-Type", content_type), ("x-amzn-RequestId", str(uuid.uuid4()))]
    await exchange.start(HTTPStatus.OK, [*headers, *([("Connection", "close")] if close else [])])


async def _deliver(exchange: Exchange, reader: Reader, buffer: Buffer) -> None:
    """Send a reader's media until no more arrives or the client disconnects."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def wake() -> None:
        if not changed.is_set():
            with suppress(RuntimeError):  # the event loop has ended
                loop.call_soon_threadsafe(changed.set)

    gone = asyncio.ensure_future(exchange.wait_for_disconnect())
    try:
        with buffer.watched(wake):
            since = loop.time()
            while not gone.done() and loop.time() - since < _PATIENCE:
                changed.clear()
                passage = reader.read(0)
                if passage:
                    for piece in answers.write_passage(passage):
                        await exchange.send(piece)
                    since = loop.time()
                else:
                    await _wait(changed, gone)
    except StreamClosed:
        return
    finally:
        gone.cancel()


async def _wait(changed: asyncio.Event, gone: asyncio.Future[None]) -> None:
    """Wait for a change or the client's disconnect, for at most ``_TICK`` seconds."""
    waiting = asyncio.ensure_future(changed.wait())
    waited: set[asyncio.Future[Any]] = {waiting, gone}
    try:
        await asyncio.wait(waited, timeout=_TICK, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _receive(exchange: Exchange, ingest: Ingest, buffer: Buffer) -> None:
    """Receive and acknowledge media until the producer ends."""
    silence = 0.0
    while not ingest.ended:
        acknowledgements: Iterator[Acknowledgement] = iter(())
        if buffer.closed:
            acknowledgements = ingest.fail(Fault.STREAM_NOT_ACTIVE)
        else:
            try:
                piece = await exchange.receive(_TICK)
            except Disconnected:
                acknowledgements = ingest.fail(Fault.STREAM_READ_ERROR)
            else:
                silence = silence + _TICK if piece is None else 0.0
                if piece is not None:
                    acknowledgements = ingest.feed(piece) if piece else ingest.finish()
                elif silence >= _PATIENCE:
                    return
                elif silence % _IDLE == 0:
                    acknowledgements = iter([Acknowledgement(Event.IDLE)])
        for line in answers.write_acknowledgements(acknowledgements):
            await exchange.send(line)
