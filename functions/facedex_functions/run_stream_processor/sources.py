"""Where a stream's media comes from: Kinesis Video Streams, or a camera."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from facedex.aws.cameras import camera_address, with_credentials
from facedex.media.cameras import CameraLost, CameraRefused, watch_camera
from facedex.media.matroska.errors import MatroskaError, StreamFailed
from facedex.media.matroska.live import Event, read_live
from facedex.settings import Settings

_PIECE: Final = 64 * 1024
# Seconds without a byte after which a connection is taken for dead, and another is made.
_SILENCE: Final = 10.0
_REFUSALS: Final = 15.0  # seconds for which a stream may refuse
_CAMERA_REFUSALS: Final = 60.0  # the same of a camera, which may be starting
# AWS_KINESISVIDEO_ERROR_ID: a place that is gone; the service's own faults.
_NO_SUCH_FRAGMENT: Final = 4000
_INTERNAL: Final = 5000
_PASSING: Final = frozenset(
    {
        "ClientLimitExceededException",
        "ConnectionLimitExceededException",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
    }
)

_logger: Final = logging.getLogger(__name__)


class PlaceGone(Exception):
    """The place to go on from is not held by the stream any more."""


class SourceLost(Exception):
    """The source does not answer; it may come back, however long that takes."""


class SourceRefused(Exception):
    """The source says that it cannot be read; the message is a sentence for the owner.

    Attributes:
        patience: seconds for which it may say so: what it says may be out of date.
    """

    def __init__(self, message: str, *, patience: float | None = None) -> None:
        super().__init__(message)
        self.patience = _REFUSALS if patience is None else patience


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read from: behind a fragment, or what has come since a moment, or live.

    Attributes:
        token: a continuation token.
        since: a time, if there is no token.
    """

    token: str | None = None
    since: datetime | None = None


class Source(Protocol):
    """Something to read a stream from.

    Attributes:
        follows_clock: whether its times are those of this machine, so that they tell how far
            behind live it is.
    """

    follows_clock: bool

    def events(self, place: Place, ended: Callable[[], bool]) -> Iterator[Event]:
        """The stream's events from a place on, for as long as one connection lasts.

        Raises:
            PlaceGone, SourceLost, SourceRefused: see there.
            MatroskaError: what it sends cannot be read.
        """
        ...


def open_source(arn: str, settings: Settings) -> Source:
    """The source that a stream processor's input names.

    Raises:
        InvalidParameterException: it is a camera that may not be asked, by now.
    """
    address = camera_address(arn, settings.rtsp_hosts)
    if address is None:
        return KinesisVideo(arn)
    return Camera(with_credentials(address, settings.rtsp_credentials))


class Camera:
    """A camera, which has no past: reading begins where it is."""

    follows_clock = True

    def __init__(self, address: str) -> None:
        self._address = address

    def events(self, place: Place, ended: Callable[[], bool]) -> Iterator[Event]:
        """As ``Source``."""
        _ = place
        try:
            yield from watch_camera(self._address, ended)
        except CameraRefused as error:
            raise SourceRefused(str(error), patience=_CAMERA_REFUSALS) from None
        except CameraLost as error:
            raise SourceLost(str(error)) from None


class KinesisVideo:
    """A Kinesis video stream."""

    follows_clock = False

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._client: Any = None
        self._damage = ""

    def events(self, place: Place, ended: Callable[[], bool]) -> Iterator[Event]:
        """As ``Source``."""
        if place.token:
            selector: dict[str, Any] = {
                "StartSelectorType": "CONTINUATION_TOKEN",
                "ContinuationToken": place.token,
            }
        elif place.since:
            selector = {"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": place.since}
        else:
            selector = {"StartSelectorType": "NOW"}
        try:
            self._client = self._client or self._connect()
            body = self._client.get_media(StreamARN=self._arn, StartSelector=selector)["Payload"]
        except ClientError as error:
            raise self._refusal(error, place) from error
        except BotoCoreError as error:
            raise SourceLost(f"Kinesis Video Streams does not answer: {error}") from error
        try:
            yield from read_live(_chunks(body, ended), damaged=self._report)
        except StreamFailed as error:
            if error.number == _NO_SUCH_FRAGMENT and place.token:
                raise PlaceGone(str(error)) from error
            if error.number >= _INTERNAL:
                raise SourceLost(str(error)) from error
            raise SourceRefused(str(error)) from error
        finally:
            body.close()

    def _report(self, error: MatroskaError) -> None:
        # A stream that is damaged for good would fill the log.
        if str(error) != self._damage:
            self._damage = str(error)
            _logger.warning("A part of %s is left out: %s", self._arn, error)

    def _connect(self) -> Any:
        session = boto3.session.Session()  # the shared one is not made for several threads
        hasty = Config(connect_timeout=5, read_timeout=_SILENCE, retries={"total_max_attempts": 2})
        asked: Any = session.client("kinesisvideo", config=hasty)
        endpoint = asked.get_data_endpoint(StreamARN=self._arn, APIName="GET_MEDIA")
        return session.client(
            "kinesis-video-media", endpoint_url=endpoint["DataEndpoint"], config=hasty
        )

    def _refusal(self, error: ClientError, place: Place) -> Exception:
        self._client = None  # its endpoint may have changed
        said = error.response.get("Error", {})
        code, message = said.get("Code", "Unknown"), said.get("Message", "")
        if code in _PASSING or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            return SourceLost(f"Kinesis Video Streams does not answer: {code}: {message}")
        if code == "InvalidArgumentException" and place.token:
            return PlaceGone(message)
        return SourceRefused(f"The video stream {self._arn} cannot be read: {code}: {message}")


def _chunks(body: Any, ended: Callable[[], bool]) -> Iterator[bytes]:
    """The bytes of an answer as they come: its own ``read`` would wait for more of them."""
    raw = body._raw_stream
    while not ended():
        try:
            piece: bytes = raw.read1(_PIECE)
        except (HTTPError, OSError) as error:
            _logger.info("A connection for media ended: %s", type(error).__name__)
            return
        if not piece:
            return
        yield piece
