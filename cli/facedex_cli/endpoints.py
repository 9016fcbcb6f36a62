"""Endpoints of the services that a command calls: the user's choice, or else a local server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from facedex_local import directory, environment
from facedex_local.access import own_key

_DEFAULT_URL: Final = "http://127.0.0.1:9000"
_KEYS: Final = "FDX"  # the product's access keys begin with it
# Errors for which neither another server nor another attempt helps.
UNSENDABLE: Final = (NoCredentialsError, PartialCredentialsError, ParamValidationError)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint of a command's main service, and the session with its credentials.

    Attributes:
        session: boto3's session for the main service.
        others: boto3's session for other services, with the user's credentials.
        region: the AWS region.
        url: URL of the main service.
        here: whether the URL is on this machine.
    """

    session: boto3.Session
    others: boto3.Session
    region: str
    url: str
    here: bool

    @property
    def is_amazon(self) -> bool:
        """True if the URL is Amazon's own."""
        return is_amazons(self.url)

    def client(self, service: str, config: Config, *, own: bool = False) -> Any:
        """Make a client of a service.

        Args:
            service: boto3's name of the service.
            config: boto3's configuration of the client.
            own: whether it is the command's main service. The endpoint of any other is the one in
                boto3's settings, or else the main service's if that is on this machine, or else
                Amazon's.
        """
        chosen = config.merge(Config(proxies={} if self.here else None))
        make: Any = self.session.client
        make_other: Any = self.others.client
        if own:
            return make(service, region_name=self.region, config=chosen, endpoint_url=self.url)
        found = make_other(service, region_name=self.region, config=chosen)
        place = _configured(found.meta.endpoint_url)
        if (self.here and place is None) or place == self.url:
            return make(service, region_name=self.region, config=chosen, endpoint_url=self.url)
        return found


def find(
    service: str, endpoint_url: str | None, data_dir: Path, region: str | None = None
) -> Endpoint:
    """Return the endpoint of a service.

    It is the first of these: ``endpoint_url``; the one in boto3's settings (such as
    AWS_ENDPOINT_URL); the one that the server of the data directory has announced; the default
    address of ``facedex up``. Amazon is used only if a URL of Amazon's is given.

    The region is the first of these: ``region``; AWS_REGION; the one in boto3's settings; the one
    that the server has announced; the default of ``facedex up``.

    Raises:
        BotoCoreError, ValueError: if the settings are invalid.
    """
    session = boto3.Session()
    region = (
        region
        or os.environ.get("AWS_REGION")
        or session.region_name
        or directory.announced_region(data_dir)
        or environment.REGION
    )
    make: Any = session.client
    plain = make(service, region_name=region)
    chosen = endpoint_url or _configured(plain.meta.endpoint_url)
    running = directory.announced(data_dir)
    url = chosen or running or _DEFAULT_URL
    place = urlsplit(url)
    _ = place.port  # raises ValueError if it is not a port, as no request would
    # A server of this data directory may listen on another address of this machine.
    is_running = running is not None and place.netloc == urlsplit(running).netloc
    here = is_running or place.hostname in ("127.0.0.1", "localhost", "::1")
    return Endpoint(_session(session, url, data_dir, here=here), session, region, url, here)


def s3(data_dir: Path, config: Config) -> Any:
    """Make a client of S3 for a command that reads the user's photos itself.

    Its endpoint is the one in boto3's settings (such as AWS_ENDPOINT_URL), or else Amazon's if the
    user has credentials that may be Amazon's, or else that of the server that uses the data
    directory. Without a server it is Amazon's.

    Raises:
        BotoCoreError, ValueError: if the settings are invalid.
    """
    session = boto3.Session()
    make: Any = session.client
    client = make("s3", config=config)
    place = client.meta.endpoint_url
    _ = urlsplit(place).port  # raises ValueError if it is not a port, as no request would
    if not is_amazons(place) or _may_be_amazons(session) or not directory.announced(data_dir):
        return client
    return find("s3", None, data_dir).client("s3", config, own=True)


def is_amazons(url: str) -> bool:
    """Return whether a client's URL is Amazon's own."""
    return _configured(url) is None


def explain(error: BotoCoreError | ValueError) -> str:
    """Return a request's error as one line, with what would help."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "There are no complete AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY."
        )
    sentence = f"{' '.join(str(error).split()).rstrip('.')}."
    if isinstance(error, ValueError):
        return f"The AWS settings are not valid: {sentence}"
    if isinstance(error, ParamValidationError):
        return sentence
    return f"{sentence} Start the server with: facedex up, or choose another with --url."


def _session(session: boto3.Session, url: str, data_dir: Path, *, here: bool) -> boto3.Session:
    """Return a session with credentials that the service at a URL accepts.

    A server of the same user that requires access keys has issued one for the user's commands.
    """
    if not here:
        return session
    credentials = session.get_credentials()
    if credentials is not None and credentials.access_key.startswith(_KEYS):
        return session
    own = own_key.read(data_dir) if _is_same(url, directory.announced(data_dir)) else None
    if own is None:
        if credentials is not None:
            return session
        own = (
            environment.CREDENTIALS["AWS_ACCESS_KEY_ID"],
            environment.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
    return boto3.Session(aws_access_key_id=own[0], aws_secret_access_key=own[1])


def _may_be_amazons(session: boto3.Session) -> bool:
    """Return whether a session has credentials other than those that a local server asks for."""
    credentials = session.get_credentials()
    return (
        credentials is not None
        and not credentials.access_key.startswith(_KEYS)
        and credentials.access_key != environment.CREDENTIALS["AWS_ACCESS_KEY_ID"]
    )


def _is_same(url: str, announced: str | None) -> bool:
    """Return whether a URL on this machine is the one that a server has announced."""
    return announced is not None and urlsplit(url).port == urlsplit(announced).port


def _configured(url: str) -> str | None:
    """Return a client's URL, or None if it is Amazon's own."""
    host = urlsplit(url).hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")) else url
