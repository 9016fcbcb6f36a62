"""Clients for an import: where the face API and S3 are, and the collection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli import endpoints
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.raw import IndexFaces, send_photos_raw

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

_ATTEMPTS: Final = 6  # the last waits come after about 15 seconds


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of one place.

    Attributes:
        rekognition: for the face API.
        s3: for the photos' bucket.
        index_faces: sends photos to the face API.
    """

    rekognition: RekognitionClient
    s3: S3Client
    index_faces: IndexFaces


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
        there = endpoints.find("rekognition", endpoint_url, data_dir)
        config = Config(
            # Adaptive: throttling slows the whole import down instead of failing photos.
            retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=concurrency,
        )
        rekognition = there.client("rekognition", config, own=True)
        if not there.is_amazon:
            send_photos_raw(rekognition)
        return Clients(rekognition, there.client("s3", config), rekognition.index_faces)
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
