"""Clients for an import: where the face API and S3 are, and the collection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import directory, surroundings
from local.importing.errors import ImportStopped

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

_DEFAULT_URL: Final = "http://127.0.0.1:9000"
_ATTEMPTS: Final = 6  # the last waits come after about 15 seconds


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of one place.

    Attributes:
        rekognition: for the face API.
        s3: for the photos' bucket.
    """

    rekognition: RekognitionClient
    s3: S3Client


@dataclass(frozen=True, slots=True)
class Collection:
    """What tells a collection from every other, also from an earlier one of its name.

    Attributes:
        arn: its ARN.
        created: when it was made, to the last digit that the service gives.
        made: whether this import has made it.
    """

    arn: str
    created: str
    made: bool


def connect(endpoint_url: str | None, data_dir: Path, concurrency: int) -> Clients:
    """Make the clients.

    The face API is, in this order, at ``endpoint_url``, where boto3's own settings say
    (AWS_ENDPOINT_URL and its like), where the server of the data directory says, or at
    ``facedex up``'s own address. It is never Amazon's unless that is said. S3 is where boto3's
    settings say, else beside a face API on this machine, else at Amazon.

    Raises:
        ImportStopped: the settings are of no use.
    """
    try:
        session = boto3.Session()
        region = session.region_name or surroundings.REGION
        plain = session.client("rekognition", region_name=region)
        chosen = endpoint_url or _configured(plain.meta.endpoint_url)
        url = chosen or directory.announced(data_dir) or _DEFAULT_URL
        here = _is_here(url)
        if here and session.get_credentials() is None:
            session = boto3.Session(
                aws_access_key_id=surroundings.CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=surroundings.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            )
        config = Config(
            # Adaptive: throttling slows the whole import down instead of failing photos.
            retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=concurrency,
            proxies={} if here else None,
        )
        s3 = session.client("s3", region_name=region, config=config)
        if here and _configured(s3.meta.endpoint_url) is None:
            s3 = session.client("s3", region_name=region, config=config, endpoint_url=url)
        return Clients(
            session.client("rekognition", region_name=region, config=config, endpoint_url=url), s3
        )
    except (BotoCoreError, ValueError) as error:
        raise ImportStopped(f"The AWS settings cannot be used: {error}") from error


def find_collection(client: RekognitionClient, name: str, *, create: bool) -> Collection:
    """Find the collection, made where it is missing if it may be.

    Raises:
        ImportStopped: there is none to be had.
    """
    made = False
    try:
        if create:
            try:
                client.create_collection(CollectionId=name)
                made = True
            except client.exceptions.ResourceAlreadyExistsException:
                pass
        found = client.describe_collection(CollectionId=name)
    except client.exceptions.ResourceNotFoundException:
        raise ImportStopped(
            f"There is no collection {name} at {client.meta.endpoint_url}; --create makes it."
        ) from None
    except ClientError as error:
        raise ImportStopped(f"The collection {name} cannot be used: {error}") from error
    except BotoCoreError as error:
        raise ImportStopped(
            f"The collection {name} cannot be reached: {error} Start the server with: facedex up,"
            " or name another with --endpoint-url."
        ) from error
    return Collection(found["CollectionARN"], found["CreationTimestamp"].isoformat(), made)


def _configured(url: str) -> str | None:
    """A client's address, or None if it is the one that Amazon itself has."""
    host = urlsplit(url).hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")) else url


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
