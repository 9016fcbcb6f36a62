"""The environment variables that configure functions on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from facedex.settings import DEFAULT_REGION

REGION: Final = DEFAULT_REGION  # if the environment names none
# The stand-ins accept any credentials; these are the ones in moto's documentation.
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

# The services whose endpoint functions need.
_SERVICES: Final = ("S3", "SQS", "SNS", "KINESIS", "KINESIS_VIDEO")
# The folder with copies of galleries in the data directory, while a server runs.
GALLERIES: Final = "galleries"
# Mebibytes in each process: enough for 1.8 million faces of the default pack.
_GALLERY_MEMORY: Final = "512"


def describe_client(url: str, *, credentials: bool) -> dict[str, str]:
    """Return the variables that make AWS SDKs and the AWS CLI call this server.

    Args:
        url: the server's address.
        credentials: whether to include credentials, because the server accepts any.
    """
    included = CREDENTIALS if credentials else {}
    return {"AWS_ENDPOINT_URL": url, **included, "AWS_DEFAULT_REGION": region()}


def region(environment: Mapping[str, str] = os.environ) -> str:
    """Return the region that the environment configures for the server and the commands."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or REGION


def configure(
    *,
    models: Path,
    pack: str,
    own_url: str,
    s3_url: str,
    auth: str = "none",
    keys_secret: str = "",
    server: str = "",
    environment: MutableMapping[str, str] = os.environ,
) -> None:
    """Set the variables that functions read, except those that the user has set.

    ``machine.running`` sets the database's address, which is not known before.

    Args:
        models: directory of the installed packs.
        pack: the pack for new collections.
        own_url: the address of the server for users.
        s3_url: the address of S3, SQS, SNS and Kinesis for functions, unless the user has set
            others.
        auth: the authentication mode.
        keys_secret: the location of the access keys' secret, if access keys are required.
        server: id of this server if other servers may use its database; otherwise empty.
        environment: the variables to change.
    """
    environment["FACEDEX_MODELS"] = str(models)
    environment["FACEDEX_PACK"] = pack
    environment["FACEDEX_AUTH"] = auth
    if keys_secret:
        environment["FACEDEX_KEYS_SECRET"] = keys_secret
    # If AWS_ENDPOINT_URL is this server's own address, set for the shell's clients, the user has
    # not chosen another S3.
    configured = environment.get("AWS_ENDPOINT_URL") or own_url
    elsewhere = _parse_address(configured) != _parse_address(own_url)
    for service in _SERVICES:
        if not elsewhere and f"AWS_ENDPOINT_URL_{service}" not in environment:
            environment[f"AWS_ENDPOINT_URL_{service}"] = s3_url
    own = [each for each in _SERVICES if environment.get(f"AWS_ENDPOINT_URL_{each}") == s3_url]
    environment["FACEDEX_SERVER"] = server
    environment["FACEDEX_OWN_SERVICES"] = ",".join(own) if server else ""
    if "AWS_PROFILE" not in environment and "AWS_ACCESS_KEY_ID" not in environment:
        environment.update(CREDENTIALS)
    configured = region(environment)
    environment["AWS_REGION"] = configured
    environment.setdefault("AWS_DEFAULT_REGION", configured)
    environment.setdefault("FACEDEX_ALL_REGIONS", "true")
    # Object names may appear in the log: the log's reader is the owner of the objects.
    environment.setdefault("FACEDEX_LOG_NAMES", "true")
    environment.setdefault("FACEDEX_GALLERY_MEMORY", _GALLERY_MEMORY)
    # These lines are for CloudWatch; on a terminal they would hide all other output.
    environment.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
    environment.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    environment.setdefault("POWERTOOLS_TRACE_DISABLED", "true")


def share_galleries(directory: Path, environment: MutableMapping[str, str]) -> None:
    """Let all processes share copies of galleries in memory, as files in the data directory."""
    if os.name == "posix":
        environment["FACEDEX_GALLERY_DIRECTORY"] = str(directory / GALLERIES)


def limit_rate(rate: float | None, directory: Path, environment: MutableMapping[str, str]) -> None:
    """Set the variables of the limit on the rate of requests, which all processes share.

    Args:
        rate: requests per second; None for no limit.
        directory: the data directory.
        environment: the variables to change.
    """
    for name in ("FACEDEX_RATE", "FACEDEX_RATE_FILE"):
        environment.pop(name, None)
    if rate is not None:
        from facedex.runtime.rate import prepare

        file = directory / "rate"
        prepare(file)
        environment.update(FACEDEX_RATE=repr(rate), FACEDEX_RATE_FILE=str(file))


def _parse_address(url: str) -> tuple[str | None, int | None]:
    """Return host and port of a URL, with "localhost" as an IP address."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return host, parts.port
