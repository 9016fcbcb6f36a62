"""Videos that a request refers to as S3 objects, and reading of their byte ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from facedex.api.errors import (
    InvalidParameterException,
    InvalidS3ObjectException,
    VideoTooLargeException,
)
from facedex.aws.objects import client, refusal, require_place
from facedex.store.jobs import VideoObject

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef, HeadObjectRequestTypeDef

_MOST_BYTES: Final = 10 * 1024**3  # Rekognition's limit for a stored video


class VideoGone(InvalidS3ObjectException):
    """The video of a job was deleted or replaced, or may no longer be read."""


def locate(video: Mapping[str, Any]) -> VideoObject:
    """Return the current version of a video's S3 object.

    Args:
        video: the service model's ``Video``.

    Raises:
        InvalidParameterException: if ``video`` has no ``S3Object``.
        InvalidS3ObjectException: if the object does not exist or may not be read.
        VideoTooLargeException: if the object has more than 10 GB.
        InternalServerError: if S3 cannot be reached; the request can be retried.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if "S3Object" not in video:
        raise InvalidParameterException("Video must have S3Object: bucket and name of the video.")
    place = video["S3Object"]
    require_place(place)
    wanted: HeadObjectRequestTypeDef = {"Bucket": place["Bucket"], "Key": place["Name"]}
    if "Version" in place:
        wanted["VersionId"] = place["Version"]
    try:
        found = client().head_object(**wanted)
    except (ClientError, BotoCoreError) as error:
        raise refusal(error) from error
    size = found["ContentLength"]
    if size > _MOST_BYTES:
        raise VideoTooLargeException(
            f"Video size in bytes: {size} is more than the maximum limit of: {_MOST_BYTES} bytes."
        )
    return VideoObject(place["Bucket"], place["Name"], place.get("Version"), found["ETag"], size)


def ranges(video: VideoObject) -> Callable[[int, int], bytes]:
    """Return a function that fetches a byte range of a video's object, unchanged since ``locate``.

    Returns:
        A function of the first offset and the offset after the last. It raises ``VideoGone`` if
        the object was deleted or replaced or may no longer be read, and ``InternalServerError`` if
        S3 cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    wanted: GetObjectRequestTypeDef = {
        "Bucket": video.bucket,
        "Key": video.name,
        "IfMatch": video.etag,
    }
    if video.version:
        wanted["VersionId"] = video.version

    def fetch(start: int, end: int) -> bytes:
        part: GetObjectRequestTypeDef = {**wanted, "Range": f"bytes={start}-{end - 1}"}
        try:
            found = client().get_object(**part)
            return found["Body"].read()
        except ClientError as error:
            raise _gone(video, error) or refusal(error) from error
        except BotoCoreError as error:
            raise refusal(error) from error

    return fetch


_GONE: Final = {
    HTTPStatus.NOT_FOUND: "does not exist any more",
    HTTPStatus.PRECONDITION_FAILED: "was replaced after the job was started",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "was replaced after the job was started",
    HTTPStatus.FORBIDDEN: "may not be read; check the permissions of bucket, object and key",
}


def _gone(video: VideoObject, error: Any) -> VideoGone | None:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    code = error.response["Error"].get("Code", "unknown error")
    reason = _GONE.get(status, "cannot be read")
    return VideoGone(f"The video s3://{video.bucket}/{video.name} {reason} ({code}).")
