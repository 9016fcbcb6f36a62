"""Sources of live video: Kinesis video streams, and cameras."""

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

from facedex.aws.camera_addresses import camera_address, with_credentials
from facedex.aws.clients import region_of
from facedex.media.cameras import CameraLost, CameraRefused, watch_camera
from facedex.media.matroska.live import Event, read_live
from facedex.media.matroska.matroska_errors import MatroskaError, StreamFailed
from facedex.settings import Settings

_PIECE: Final = 64 * 1024
# Seconds without a byte after which a connection counts as dead, and is replaced.
_SILENCE: Final = 10.0
_STREAM_PATIENCE: Final = 15.0  # seconds for which a stream may refuse to be read
_CAMERA_PATIENCE: Final = 60.0  # the same for a camera, which may be starting
# AWS_KINESISVIDEO_ERROR_ID: a position that is gone; the service's own faults, from this number on.
_NO_SUCH_FRAGMENT: Final = 4000
_INTERNAL: Final = 5000
_TRANSIENT: Final = frozenset(
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


class PositionGone(Exception):
    """The stream does not keep the position to continue from any more."""


class SourceLost(Exception):
    """The source does not answer, and may come back at any time."""


class SourceRefused(Exception):
    """The source refuses to be read; the message is a sentence for the owner.

    Attributes:
        patience: seconds for which it may refuse before the run fails: the cause may pass.
    """

    def __init__(self, message: str, *, patience: float | None = None) -> None:
        super().__init__(message)
        self.patience = _STREAM_PATIENCE if patience is None else patience


@dataclass(frozen=True, slots=True)
class Position:
    """The position to start reading from: after a fragment, at a time, or at live.

    Attributes:
        token: continuation token of the fragment; None to start elsewhere.
        since: the time; None, without a token either, to start at live.
    """

    token: str | None = None
    since: datetime | None = None


class LiveSource(Protocol):
    """Something to read live video from.

    Attributes:
        follows_clock: whether its timestamps are of this machine's clock, so that their age is how
            far reading is behind live.
    """

    follows_clock: bool

    def events(self, position: Position, ended: Callable[[], bool]) -> Iterator[Event]:
        """Read the events from a position on, for as long as one connection lasts.

        Args:
            position: where to start.
            ended: returns whether to stop; called before each read.

        Raises:
            PositionGone: if the position is not kept any more.
            SourceLost: if the source does not answer.
            SourceRefused: if the source refuses to be read.
            MatroskaError: if the media cannot be parsed.
        """
        ...


def open_source(arn: str, settings: Settings) -> LiveSource:
    """Return the source that the input of a stream processor names.

    Args:
        arn: of a Kinesis video stream or a camera (``aws/camera_addresses.py``).
        settings: which cameras may be read, and their credentials.

    Raises:
        InvalidParameterException: if it is a camera that may not be read.
    """
    address = camera_address(arn, settings.rtsp_hosts)
    if address is None:
        return KinesisVideo(arn)
    return Camera(with_credentials(address, settings.rtsp_credentials))


class Camera:
    """A camera: reading starts at live, whatever the position."""

    follows_clock = True

    def __init__(self, address: str) -> None:
        self._address = address

    def events(self, position: Position, ended: Callable[[], bool]) -> Iterator[Event]:
        """Read as ``LiveSource`` says."""
        _ = position
        try:
            yield from watch_camera(self._address, ended)
        except CameraRefused as error:
            raise SourceRefused(str(error), patience=_CAMERA_PATIENCE) from None
        except CameraLost as error:
            raise SourceLost(str(error)) from None


class KinesisVideo:
    """A Kinesis video stream."""

    follows_clock = False

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._client: Any = None
        self._damage = ""

    def events(self, position: Position, ended: Callable[[], bool]) -> Iterator[Event]:
        """Read as ``LiveSource`` says."""
        if position.token:
            selector: dict[str, Any] = {
                "StartSelectorType": "CONTINUATION_TOKEN",
                "ContinuationToken": position.token,
            }
        elif position.since:
            selector = {"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": position.since}
        else:
            selector = {"StartSelectorType": "NOW"}
        try:
            self._client = self._client or self._connect()
            body = self._client.get_media(StreamARN=self._arn, StartSelector=selector)["Payload"]
        except ClientError as error:
            raise self._to_source_error(error, position) from error
        except BotoCoreError as error:
            raise SourceLost(f"Kinesis Video Streams does not answer: {error}") from error
        try:
            yield from read_live(_read_chunks(body, ended), damaged=self._log_damage)
        except StreamFailed as error:
            if error.number == _NO_SUCH_FRAGMENT and position.token:
                raise PositionGone(str(error)) from error
            if error.number >= _INTERNAL:
                raise SourceLost(str(error)) from error
            raise SourceRefused(str(error)) from error
        finally:
            body.close()

    def _log_damage(self, error: MatroskaError) -> None:
        # Once in a row: a stream that stays damaged would fill the log.
        if str(error) != self._damage:
            self._damage = str(error)
            _logger.warning("A part of %s is skipped: %s", self._arn, error)

    def _connect(self) -> Any:
        session = boto3.session.Session()  # the shared one is not made for several threads
        config = Config(connect_timeout=5, read_timeout=_SILENCE, retries={"total_max_attempts": 2})
        # A worker works for all regions, so its own is not the stream's.
        region = region_of(self._arn)
        control: Any = session.client("kinesisvideo", region_name=region, config=config)
        endpoint = control.get_data_endpoint(StreamARN=self._arn, APIName="GET_MEDIA")
        return session.client(
            "kinesis-video-media",
            region_name=region,
            endpoint_url=endpoint["DataEndpoint"],
            config=config,
        )

    def _to_source_error(self, error: ClientError, position: Position) -> Exception:
        self._client = None  # its endpoint may have changed
        details = error.response.get("Error", {})
        code, message = details.get("Code", "Unknown"), details.get("Message", "")
        if code in _TRANSIENT or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            return SourceLost(f"Kinesis Video Streams does not answer: {code}: {message}")
        if code == "InvalidArgumentException" and position.token:
            return PositionGone(message)
        return SourceRefused(f"The video stream {self._arn} cannot be read: {code}: {message}")


def _read_chunks(body: Any, ended: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the bytes of a response as they arrive; its own ``read`` would wait for more."""
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
