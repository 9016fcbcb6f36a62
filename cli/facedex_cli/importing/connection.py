"""The import's connections to the face API and S3, and its collection."""

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

_ATTEMPTS: Final = 6  # with retries spread over about 15 seconds


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of an import.

    Attributes:
        rekognition: client of the face API.
        s3: client for the photos' bucket.
        index_faces: sends photos to the face API.
    """

    rekognition: RekognitionClient
    s3: S3Client
    index_faces: IndexFaces


@dataclass(frozen=True, slots=True)
class Collection:
    """The identity of a collection, which differs from that of an earlier one of the same name.

    Attributes:
        arn: the collection's ARN.
        created: the creation time, with the service's full precision.
        made: whether this import has created the collection.
    """

    arn: str
    created: str
    made: bool


def connect(
    endpoint_url: str | None, data_dir: Path, concurrency: int, region: str | None
) -> Clients:
    """Create the clients.

    The address of the face API is the first of: ``endpoint_url``; boto3's own settings, such as
    AWS_ENDPOINT_URL; the address of the server that uses the data directory; the default address of
    ``facedex up``. Amazon's API is used only if a setting names it. The address of S3 is the first
    of: boto3's own settings; the address of the face API, if that is on this machine; Amazon's.

    Args:
        endpoint_url: the user's choice of the face API's address, or None.
        data_dir: the data directory of a server on this machine.
        concurrency: the maximum number of requests at the same time.
        region: the user's choice of the region, or None; see ``endpoints.find``.

    Raises:
        ImportStopped: if the settings are not valid.
    """
    try:
        endpoint = endpoints.find("rekognition", endpoint_url, data_dir, region)
        config = Config(
            # In the adaptive mode, throttling slows the import down instead of failing photos.
            retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=concurrency,
        )
        rekognition = endpoint.client("rekognition", config, own=True)
        if not endpoint.is_amazon:
            send_photos_raw(rekognition)
        return Clients(rekognition, endpoint.client("s3", config), rekognition.index_faces)
    except (BotoCoreError, ValueError) as error:
        raise ImportStopped(f"The AWS settings are not valid: {error}") from error


def find_collection(client: RekognitionClient, name: str, *, create: bool) -> Collection:
    """Return the collection, after creating it if it is missing and ``create`` is true.

    Raises:
        ImportStopped: if there is no collection, or the face API does not answer.
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
            f"There is no collection {name} in {client.meta.region_name} at"
            f" {client.meta.endpoint_url}; create it with --create, or choose another --region."
        ) from None
    except ClientError as error:
        raise ImportStopped(f"The collection {name} cannot be used: {error}") from error
    except BotoCoreError as error:
        raise ImportStopped(
            f"The collection {name or repr(name)} cannot be used: {endpoints.explain(error)}"
        ) from error
    return Collection(found["CollectionARN"], found["CreationTimestamp"].isoformat(), made)
