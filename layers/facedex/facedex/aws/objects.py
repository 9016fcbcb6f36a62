"""Images that a request refers to as S3 objects, and the S3 client."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from facedex.api.errors import (
    ImageTooLargeException,
    InternalServerError,
    InvalidParameterException,
    InvalidS3ObjectException,
    ServiceError,
)
from facedex.aws.clients import bounded

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, GetObjectRequestTypeDef

# Rekognition's limit for an image in S3.
_MOST_BYTES: Final = 15 * 1024 * 1024


def image_bytes(image: Mapping[str, Any]) -> bytes:
    """Return the bytes of an image, from the request or from S3.

    Args:
        image: the service model's ``Image``.

    Raises:
        InvalidParameterException: if the image has neither or both of ``Bytes`` and ``S3Object``.
        InvalidS3ObjectException: if the object does not exist or may not be read.
        ImageTooLargeException: if the object has more than 15 MB.
        InternalServerError: if S3 cannot be reached; the request can be retried.
    """
    given = [member for member in ("Bytes", "S3Object") if member in image]
    if len(given) != 1:
        raise InvalidParameterException(
            "Image must have either Bytes or S3Object, but has "
            + ("both." if given else "neither.")
        )
    data: bytes = image["Bytes"] if "Bytes" in image else _fetch(image["S3Object"])
    return data


def _fetch(place: Mapping[str, str]) -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError

    require_place(place)
    wanted: GetObjectRequestTypeDef = {"Bucket": place["Bucket"], "Key": place["Name"]}
    if "Version" in place:
        wanted["VersionId"] = place["Version"]
    try:
        return read_image(client().get_object(**wanted))
    except (ClientError, BotoCoreError) as error:
        raise refusal(error) from error


def read_image(found: GetObjectOutputTypeDef) -> bytes:
    """Read an image from the body of an S3 response.

    Raises:
        ImageTooLargeException: if the object has more than 15 MB; the body is not read.
        BotoCoreError: if the connection to S3 fails.
    """
    if found["ContentLength"] > _MOST_BYTES:
        found["Body"].close()
        raise ImageTooLargeException(
            f"The S3 object has {found['ContentLength']} bytes; an image may have {_MOST_BYTES}."
        )
    return found["Body"].read()


def require_place(place: Mapping[str, str]) -> None:
    """Check that the service model's ``S3Object`` has a bucket and a name.

    Raises:
        InvalidS3ObjectException: if one of them is missing.
    """
    missing = [member for member in ("Bucket", "Name") if member not in place]
    if missing:
        raise InvalidS3ObjectException(f"S3Object must have {' and '.join(missing)}.")


def refusal(error: ClientError | BotoCoreError) -> ServiceError:
    """Return the error for the caller when S3 returns an error or cannot be reached."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return InternalServerError(f"S3 cannot be reached ({type(error).__name__}).")
    if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        return InternalServerError("S3 did not answer; try again.")
    return InvalidS3ObjectException(
        f"S3 answered {error.response['Error'].get('Code', 'with an unknown error')}; check the"
        " bucket and the version too.",
        opening="Unable to get object metadata from S3. Check object key, region and/or access"
        " permissions.",
    )


@cache
def client() -> S3Client:
    """Return the S3 client of this process."""
    # Imported here: boto3 is a third of a cold start, and most requests contain the image's bytes.
    import boto3

    # Path addressing works with every AWS_ENDPOINT_URL_S3 and with bucket names invalid in DNS.
    return boto3.client("s3", config=bounded(s3={"addressing_style": "path"}))
