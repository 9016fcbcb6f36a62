"""Uploads: S3's notifications, the request that an object stands for, its content and tags.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from facedex.api.errors import InternalServerError, ServiceError
from facedex.api.reading import read_request
from facedex.aws.objects import client, read_image

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

_CREATED: Final = "ObjectCreated:"
# Not LifecycleExpiration: a bucket rule that removes old photos leaves their faces.
_REMOVED: Final = "ObjectRemoved:"
_KEY: Final = re.compile(r"([^/]*)/([^/]*)\.(?:jpg|jpeg|png)", re.IGNORECASE | re.DOTALL)
# Names in S3's metadata (without "x-amz-meta-"), and the member that each sets.
_METADATA: Final = {"max-faces": "MaxFaces", "quality-filter": "QualityFilter"}


class MalformedNotification(ServiceError):
    """A message in the queue is not a notification of S3."""


class InvalidUploadKey(ServiceError):
    """An object's key does not name a collection and an ExternalImageId."""


class InvalidUploadMetadata(ServiceError):
    """An object's metadata sets a member of IndexFaces to an invalid value."""


class UnreadableUpload(ServiceError):
    """S3 has the object but does not return it, because of how it is stored."""


# S3's codes, and what the uploader can do.
_UNREADABLE: Final = {
    "InvalidObjectState": "it is archived; restore it, or put it into a storage class that can be"
    " read at once",
    "InvalidRequest": "it is encrypted under a key that only its uploader has; use SSE-S3 or"
    " SSE-KMS",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification of S3 about one object.

    Attributes:
        key: decoded.
        version: of the object, in a bucket with versioning.
        removed: whether the object was deleted; otherwise it was created.
        record: the notification's own record of it.
    """

    bucket: str
    key: str
    version: str | None
    removed: bool
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """The content of an object.

    Attributes:
        metadata: the uploader's own, by lower-case name.
        etag: changes with the content.
        tagged: whether it has tags.
    """

    data: bytes
    metadata: Mapping[str, str]
    etag: str
    tagged: bool


def read_notices(body: str) -> list[Notice]:
    """Return the notices in a message: none for S3's test message and for folder markers.

    Raises:
        MalformedNotification: if the message is not a notification of S3.
    """
    try:
        document = json.loads(body)
        if document.get("Event") == "s3:TestEvent":
            return []
        return list(_parse_records(document["Records"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MalformedNotification(
            "The message is not an event notification of S3, which has Records with"
            " s3.bucket.name and s3.object.key."
        ) from None


def _parse_records(records: list[Mapping[str, Any]]) -> Iterator[Notice]:
    for record in records:
        name = record["eventName"].removeprefix("s3:")
        removed = name.startswith(_REMOVED)
        thing = record["s3"]["object"]
        key = unquote_plus(thing["key"])
        if (removed or name.startswith(_CREATED)) and not key.endswith("/"):
            bucket = record["s3"]["bucket"]["name"]
            yield Notice(bucket, key, thing.get("versionId") or None, removed, record)


def index_request(notice: Notice, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the checked request of IndexFaces that an object stands for.

    Args:
        notice: names the object.
        metadata: the uploader's own, by lower-case name.

    Raises:
        InvalidUploadKey: if the key is not ``CollectionId/ExternalImageId.jpg``, or .jpeg, .png.
        InvalidUploadMetadata: if MaxFaces or QualityFilter cannot be used.
    """
    found = _KEY.fullmatch(notice.key)
    if found is None:
        raise InvalidUploadKey(
            f"The key {notice.key!r} must be CollectionId/ExternalImageId.jpg, .jpeg or .png, with"
            " one slash."
        )
    document: dict[str, Any] = {
        "CollectionId": found[1],
        "ExternalImageId": found[2],
        "Image": {"S3Object": {"Bucket": notice.bucket, "Name": notice.key}},
    }
    try:
        request = read_request("IndexFaces", document)
    except ServiceError as error:
        raise InvalidUploadKey(f"The key {notice.key!r} cannot be used: {error}") from None
    return request | apply_metadata(document, metadata)


def apply_metadata(document: dict[str, Any], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the checked request of IndexFaces with the members that an object's metadata set.

    Args:
        document: the request, in the service model's names.
        metadata: the uploader's own, by lower-case name.

    Raises:
        InvalidUploadMetadata: if MaxFaces or QualityFilter cannot be used.
    """
    asked: dict[str, Any] = {
        _METADATA[name]: value for name, value in metadata.items() if name in _METADATA
    }
    if "MaxFaces" in asked and re.fullmatch("[0-9]{1,9}", asked["MaxFaces"]):
        asked["MaxFaces"] = int(asked["MaxFaces"])
    try:
        return read_request("IndexFaces", document | asked)
    except ServiceError as error:
        raise InvalidUploadMetadata(f"The object's metadata cannot be used: {error}") from None


def fetch(bucket: str, key: str, version: str | None = None) -> Upload | None:
    """Read an object; return None if it does not exist any more.

    Args:
        bucket: its bucket.
        key: its key.
        version: its version id; None for the current version.

    Raises:
        ImageTooLargeException: if it has more than 15 MB.
        UnreadableUpload: if it is archived, or encrypted with a key of its uploader's.
        InternalServerError: if S3 does not return it now.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    wanted: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key}
    if version:
        wanted["VersionId"] = version
    try:
        found = client().get_object(**wanted)
        data = read_image(found)
    except ClientError as error:
        if _is_gone(error):
            return None
        code = error.response["Error"].get("Code", "")
        if code in _UNREADABLE:
            raise UnreadableUpload(
                f"S3 does not return the object ({code}): {_UNREADABLE[code]}."
            ) from error
        raise _unavailable(error) from error
    except BotoCoreError as error:
        raise _unavailable(error) from error
    metadata = {name.lower(): value for name, value in found["Metadata"].items()}
    return Upload(data, metadata, found["ETag"], found.get("TagCount", 0) > 0)


def read_beginning(bucket: str, key: str, length: int) -> bytes:
    """Read the first bytes of an object, whatever its size.

    Raises:
        InternalServerError: if S3 does not return them now.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client().get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{length - 1}")
        return found["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise _unavailable(error) from error


def etags(bucket: str, notice_key: str) -> dict[str, str]:
    """Return the keys with the same collection and ExternalImageId, and the ETag of each.

    Args:
        bucket: the bucket.
        notice_key: the key of the notified object, which may be gone.

    Raises:
        InternalServerError: if S3 does not list them now.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    prefix = notice_key.rpartition(".")[0] + "."
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        # Names that only begin like this one, as cam.0001 does like cam, may fill several pages.
        listed = [each for page in pages for each in page.get("Contents", ())]
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and _is_gone(error):
            return {}
        raise _unavailable(error) from error
    return {
        each["Key"]: each["ETag"]
        for each in listed
        if _KEY.fullmatch(each["Key"]) and each["Key"].rpartition(".")[0] + "." == prefix
    }


def replace_tags(notice: Notice, marks: Mapping[str, str], version: str | None) -> None:
    """Replace our tags of an object, whose names begin with ``facedex:``.

    Other tags stay. An object that is gone, or has no room for another tag, is not changed.

    Args:
        notice: names the object.
        marks: our tags, by name without the prefix.
        version: the object's version id; None for the current version.

    Raises:
        ClientError, BotoCoreError: if S3 does not accept the tags.
    """
    place: dict[str, Any] = {"Bucket": notice.bucket, "Key": notice.key}
    if version:
        place["VersionId"] = version
    from botocore.exceptions import ClientError

    try:
        found = client().get_object_tagging(**place)["TagSet"]
        others = [tag for tag in found if not tag["Key"].startswith(_OURS)]
        ours = [{"Key": _OURS + name, "Value": _tag_value(text)} for name, text in marks.items()]
        wanted: list[Any] = [*others, *ours]
        if len(wanted) <= _MOST_TAGS and len(wanted) + len(found) > 2 * len(others):
            client().put_object_tagging(**place, Tagging={"TagSet": wanted})
    except ClientError as error:
        if not _is_gone(error):
            raise


_OURS: Final = "facedex:"
_MOST_TAGS: Final = 10
_LONGEST_VALUE: Final = 256


def _tag_value(text: str) -> str:
    """Return a sentence with the characters and length that S3's tag values may have."""
    return re.sub(r"[^A-Za-z0-9 +\-=._:/@]+", " ", text).strip()[:_LONGEST_VALUE]


def _is_gone(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    # 405: the version is a delete marker.
    return status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


def _unavailable(error: Exception) -> InternalServerError:
    """Return the error for a fault of S3, or of our permissions: the upload is tried again."""
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    return InternalServerError(f"S3 does not return the object ({code or type(error).__name__}).")
