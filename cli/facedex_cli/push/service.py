"""The stream that receives the video, at Kinesis Video Streams or at ``facedex up``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli import endpoints
from facedex_cli.push.session import PutMedia
from facedex_cli.stream_errors import ServiceLost, StreamError

_WAIT: Final = 30.0  # seconds within which a new stream must become active
# Temporary errors, after which a push tries again.
_TEMPORARY: Final = (
    "ClientLimitExceededException",
    "ConnectionLimitExceededException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "ServiceUnavailable",
    "InternalFailure",
)


class Service:
    """A stream of the service, created if it is missing.

    Args:
        stream: the stream's name.
        retention: retention period in hours of a stream that is created.
        url: the service's address, or None for the default one.
        data_dir: data directory of a running server, which may determine the default address.
        region: the stream's region, or None for the default one.

    Raises:
        StreamError: if the AWS settings are invalid or there are no credentials.
    """

    def __init__(
        self,
        stream: str,
        *,
        retention: int,
        url: str | None,
        data_dir: Path,
        region: str | None = None,
    ) -> None:
        self.stream = stream
        self._retention = retention
        try:
            self._endpoint = endpoints.find("kinesisvideo", url, data_dir, region)
            config = Config(retries={"total_max_attempts": 2}, connect_timeout=10)
            self._client: Any = self._endpoint.client("kinesisvideo", config, own=True)
        except (BotoCoreError, ValueError) as error:
            raise StreamError(f"The AWS settings are not valid: {error}") from error
        credentials = self._endpoint.session.get_credentials()
        if credentials is None:
            raise StreamError("There are no AWS credentials; set AWS_PROFILE or AWS_ACCESS_KEY_ID.")
        self._credentials = credentials

    @property
    def url(self) -> str:
        """The service's address."""
        return self._endpoint.url

    def connect(self) -> PutMedia:
        """Return a new session, after creating the stream if it is missing.

        Raises:
            ServiceLost: if the service does not answer or reports a temporary error.
            StreamError: if the service reports a permanent error.
        """
        try:
            self._create_if_missing()
            endpoint = self._client.get_data_endpoint(StreamName=self.stream, APIName="PUT_MEDIA")
        except ClientError as error:
            details = error.response["Error"]
            sentence = f"{details.get('Code')}: {details.get('Message')}"
            if details.get("Code") in _TEMPORARY:
                raise ServiceLost(sentence) from None
            raise StreamError(f"The stream {self.stream} cannot be used. {sentence}") from None
        except endpoints.UNSENDABLE as error:
            raise StreamError(endpoints.explain(error)) from None
        except BotoCoreError as error:
            raise ServiceLost(str(error)) from None
        credentials = self._credentials.get_frozen_credentials()
        return PutMedia(endpoint["DataEndpoint"], self.stream, credentials, self._endpoint.region)

    def _create_if_missing(self) -> None:
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
        raise ServiceLost(f"The stream {self.stream} did not become active within {_WAIT:.0f} s.")
