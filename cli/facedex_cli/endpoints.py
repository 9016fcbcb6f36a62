"""Where the services are that a command talks to: the user's choice, else a server found here."""

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
    """An address, and whose credentials are used there.

    Attributes:
        url: the address of the service that the command is about.
        here: whether that is this machine.
    """

    session: boto3.Session
    region: str
    url: str
    here: bool

    @property
    def is_amazon(self) -> bool:
        """Whether it is Amazon's own."""
        return _configured(self.url) is None

    def client(self, service: str, config: Config, *, own: bool = False) -> Any:
        """A client of a service.

        Args:
            service: boto3's name for it.
            own: whether it is the one that the command is about. Any other is where boto3's
                settings say, else beside it if that is on this machine, else at Amazon.
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
    """The place of a service.

    It is, in this order, at ``endpoint_url``, where boto3's own settings say (AWS_ENDPOINT_URL and
    its like), where the server of the data directory says, or at ``facedex up``'s own address. It
    is never Amazon's unless that is said.

    Raises:
        BotoCoreError, ValueError: the settings are of no use.
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
    """A client's address, or None if it is the one that Amazon itself has."""
    host = urlsplit(url).hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")) else url
