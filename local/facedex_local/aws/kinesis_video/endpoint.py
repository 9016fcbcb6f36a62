"""What moto lacks of Kinesis Video Streams, as an application in front of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

from facedex_local.aws.kinesis_video import answers, requests
from facedex_local.aws.kinesis_video.buffer import Buffer, Reader
from facedex_local.aws.kinesis_video.errors import (
    FragmentNotFound,
    ProducerBusy,
    Refused,
    StreamClosed,
)
from facedex_local.aws.kinesis_video.ingest import Acknowledgement, Event, Fault, Ingest
from facedex_local.aws.kinesis_video.streams import NoStream, Streams
from facedex_local.http import door, routes
from facedex_local.http.bodies import MalformedBody
from facedex_local.http.gateway import Answer, Environ, raw_path
from facedex_local.http.listener import Application
from facedex_local.http.long_requests import LASTING, Lasting
from facedex_local.http.refusals import deny

StartResponse = Callable[..., Any]

# Both of its clients, of streams and of their media, sign so.
_SERVICE: Final = "kinesisvideo"
_OURS: Final = ("PUT_MEDIA", "GET_MEDIA")
_TICK: Final = 1.0  # seconds between looks at whether a request has to end
_IDLE: Final = 5.0  # seconds between acknowledgements that nothing comes
# Seconds without media after which PutMedia ends, as documented; and GetMedia, before the 60 s
# after which an SDK gives up on a silent answer.
_PATIENCE: Final = 30.0


class KinesisVideo:
    """Answers PutMedia, GetMedia and where they are; everything else is moto's.

    Args:
        moto: has the streams.
        streams: their media.
    """

    def __init__(self, moto: Application, streams: Streams) -> None:
        self._moto = moto
        self._streams = streams
        self._operations = {
            "/putMedia": self._put_media,
            "/getMedia": self._get_media,
            "/getDataEndpoint": self._get_data_endpoint,
            "/deleteStream": self._delete_stream,
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as AWS would."""
        operation = self._operations.get(raw_path(environ))
        if not operation or routes.signed_for(environ) != _SERVICE:
            return self._moto(environ, start_response)
        # moto lets any page in, but this is what cameras see.
        reason = door.judge_name(environ) or door.judge_origin(environ)
        if reason:
            return _send(deny(environ, reason), start_response)
        lasting: Lasting | None = environ.get(LASTING)
        if lasting and operation == self._put_media:
            # A producer that is refused may go on sending, or wait, for ever.
            lasting.hang_up()
        try:
            return operation(environ, start_response)
        except NoStream as error:
            return _send(error.answer, start_response)
        except Refused as error:
            return _send(answers.refused(environ, error), start_response)

    def _get_data_endpoint(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        body, members = requests.read_json(environ)
        if members.get("APIName") not in _OURS:
            return _send(self._streams.ask(environ, raw_path(environ), body), start)
        self._streams.find(environ, requests.read_stream(members))
        # The address that the caller has used: what reaches us once does so again.
        address = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
        said = json.dumps({"DataEndpoint": address}).encode()
        return _send(Answer(HTTPStatus.OK, [("Content-Type", "application/json")], said), start)

    def _delete_stream(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        body, members = requests.read_json(environ)
        return _send(self._streams.delete(environ, body, str(members.get("StreamARN"))), start)

    def _get_media(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        _, members = requests.read_json(environ)
        wanted = requests.read_start(members)
        stream = self._streams.find(environ, requests.read_stream(members))
        try:
            reader = stream.buffer.read(wanted)
        except FragmentNotFound:
            _begin(start, "video/webm")
            return [answers.write_not_found()]
        lasting = _last(environ)
        _begin(start, "video/webm")
        return _deliver(reader, lasting)

    def _put_media(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        media = requests.read_media(environ)
        stream = self._streams.find(environ, media.stream)
        lasting = _last(environ)
        ingest = Ingest(stream.buffer, began=media.began, persists=stream.persists)
        try:
            stream.buffer.admit(ingest)
        except ProducerBusy as error:
            raise Refused("ConnectionLimitExceededException", str(error)) from None
        except StreamClosed as error:
            raise Refused("ResourceNotFoundException", str(error)) from None
        try:
            _begin(start, "application/json")
        except BaseException:
            stream.buffer.dismiss(ingest)
            raise
        return _receive(ingest, lasting, stream.buffer)


def _last(environ: Environ) -> Lasting:
    lasting: Lasting = environ[LASTING]
    if not lasting.begin():
        raise Refused(
            "ConnectionLimitExceededException",
            "Too many requests for media are being answered; close some of them.",
        )
    return lasting


def _begin(start: StartResponse, content_type: str) -> None:
    """Send the headers now: the first byte of the body may be long in coming."""
    headers = [("Content-Type", content_type), ("x-amzn-RequestId", str(uuid.uuid4()))]
    start("200 OK", headers)(b"")


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    headers = [header for header in answer.headers if header[0].lower() != "content-length"]
    start_response(answer.line, [*headers, ("Content-Length", str(len(answer.body)))])
    return [answer.body]


def _deliver(reader: Reader, lasting: Lasting) -> Iterator[bytes]:
    """Media from a reader's place on, until nothing more comes or nobody is there."""
    waited = 0.0
    try:
        while waited < _PATIENCE:
            passage = reader.read(_TICK)
            if passage:
                waited = 0.0
                yield from answers.write_passage(passage)
            elif lasting.left():
                return
            else:
                waited += _TICK
    except StreamClosed:
        return


def _receive(ingest: Ingest, lasting: Lasting, buffer: Buffer) -> Iterator[bytes]:
    """Take media until its producer ends, and acknowledge it."""
    try:
        for acknowledgements in _listen(ingest, lasting, buffer):
            yield from answers.write_acknowledgements(acknowledgements)
    finally:
        buffer.dismiss(ingest)


def _listen(
    ingest: Ingest, lasting: Lasting, buffer: Buffer
) -> Iterator[Iterable[Acknowledgement]]:
    waited = 0.0
    while not ingest.ended:
        if buffer.closed:
            yield ingest.fail(Fault.STREAM_NOT_ACTIVE)
        elif lasting.arrived(_TICK):
            waited = 0.0
            try:
                piece = lasting.read()
            except (MalformedBody, OSError):
                yield ingest.fail(Fault.STREAM_READ_ERROR)
            else:
                yield ingest.feed(piece) if piece else ingest.finish()
        else:
            waited += _TICK
            if waited >= _PATIENCE:
                return
            if waited % _IDLE == 0:
                yield [Acknowledgement(Event.IDLE)]
