"""The stream that is pushed to, at Kinesis Video Streams or what stands in for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli import endpoints
from facedex_cli.push.session import PutMedia
from facedex_cli.stream_errors import ServiceLost, StreamError

_WAIT: Final = 30.0  # seconds until a new stream has to be active
# They come to everybody and pass.
_PASSING: Final = (
    "ClientLimitExceededException",
    "ConnectionLimitExceededException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "ServiceUnavailable",
    "InternalFailure",
)


class Service:
    """A stream by its name.

    Args:
        stream: name.
        retention: hours for which it keeps media, if it is made here.
        url: address of the service, or None for the usual one.
        data_dir: where a running server is looked for.

    Raises:
        StreamError: the settings are of no use.
    """

    def __init__(self, stream: str, *, retention: int, url: str | None, data_dir: Path) -> None:
        self.stream = stream
        self._retention = retention
        try:
            self._place = endpoints.find("kinesisvideo", url, data_dir)
            config = Config(retries={"total_max_attempts": 2}, connect_timeout=10)
            self._client: Any = self._place.client("kinesisvideo", config, own=True)
        except (BotoCoreError, ValueError) as error:
            raise StreamError(f"The AWS settings cannot be used: {error}") from error
        credentials = self._place.session.get_credentials()
        if credentials is None:
            raise StreamError("There are no AWS credentials; set AWS_PROFILE or AWS_ACCESS_KEY_ID.")
        self._credentials = credentials

    @property
    def url(self) -> str:
        """Where it is."""
        return self._place.url

    def connect(self) -> PutMedia:
        """A new session, and the stream made if there is none of its name.

        Raises:
            ServiceLost: the service does not answer, or not now.
            StreamError: it refuses, and will again.
        """
        try:
            self._make()
            endpoint = self._client.get_data_endpoint(StreamName=self.stream, APIName="PUT_MEDIA")
        except ClientError as error:
            said = error.response["Error"]
            sentence = f"{said.get('Code')}: {said.get('Message')}"
            if said.get("Code") in _PASSING:
                raise ServiceLost(sentence) from None
            raise StreamError(f"The stream {self.stream} cannot be used. {sentence}") from None
        except BotoCoreError as error:
            raise ServiceLost(str(error)) from None
        credentials = self._credentials.get_frozen_credentials()
        return PutMedia(endpoint["DataEndpoint"], self.stream, credentials, self._place.region)

    def _make(self) -> None:
        exceptions = self._client.exceptions
        end = time.monotonic() + _WAIT
        while time.monotonic() < end:
            try:
                found = self._client.describe_stream(StreamName=self.stream)
            except exceptions.ResourceNotFoundException:
                self._client.create_stream(
                    StreamName=self.stream,
                    MediaType="video/h264",
                    DataRetentionInHours=self._retention,
                )
                continue
            if found["StreamInfo"]["Status"] == "ACTIVE":
                return
            time.sleep(1)
        raise ServiceLost(f"The stream {self.stream} does not become active.")
