"""Endpoints of the services that a command calls: the user's choice, or else a local server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from facedex_local import directory, environment

_DEFAULT_URL: Final = "http://127.0.0.1:9000"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint of a command's main service, and the session with its credentials.

    Attributes:
        session: boto3's session.
        region: the AWS region.
        url: URL of the main service.
        here: whether the URL is on this machine.
    """

    session: boto3.Session
    region: str
    url: str
    here: bool

    @property
    def is_amazon(self) -> bool:
        """True if the URL is Amazon's own."""
        return _configured(self.url) is None

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
        if own:
            return make(service, region_name=self.region, config=chosen, endpoint_url=self.url)
        found = make(service, region_name=self.region, config=chosen)
        if self.here and _configured(found.meta.endpoint_url) is None:
            return make(service, region_name=self.region, config=chosen, endpoint_url=self.url)
        return found


def find(service: str, endpoint_url: str | None, data_dir: Path) -> Endpoint:
    """Return the endpoint of a service.

    It is the first of these: ``endpoint_url``; the one in boto3's settings (such as
    AWS_ENDPOINT_URL); the one that the server of the data directory has announced; the default
    address of ``facedex up``. Amazon is used only if a URL of Amazon's is given.

    Raises:
        BotoCoreError, ValueError: if the settings are invalid.
    """
    session = boto3.Session()
    region = session.region_name or environment.REGION
    make: Any = session.client
    plain = make(service, region_name=region)
    chosen = endpoint_url or _configured(plain.meta.endpoint_url)
    url = chosen or directory.announced(data_dir) or _DEFAULT_URL
    here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    if here and session.get_credentials() is None:
        session = boto3.Session(
            aws_access_key_id=environment.CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
    return Endpoint(session, region, url, here)


def _configured(url: str) -> str | None:
    """Return a client's URL, or None if it is Amazon's own."""
    host = urlsplit(url).hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")) else url
