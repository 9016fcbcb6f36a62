"""Mirroring: an object's faces are deleted with the object, if the setting requests it.

The current content of the bucket decides, not the notification. The bucket is therefore listed
again after the collection has been changed. Notifications that arrive late, twice, in another order
or at several workers at once lead to the same state: the faces with an ExternalImageId are those of
the objects of that name.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Final

from facedex.api.errors import ConflictException, InternalServerError, ServiceError
from facedex.aws import uploads
from facedex.aws.uploads import InvalidUploadKey, Notice, UnreadableUpload, Upload
from facedex.runtime import audit
from facedex.runtime.faults import service_error
from facedex.runtime.services import Services
from facedex.store import collections, faces
from facedex.store.store_errors import CollectionNotFound
from facedex_functions.index_upload.indexing import IndexedUpload, index_upload

# If the objects change more often than this meanwhile, the message is delivered again later.
_MAX_ROUNDS: Final = 5


def mirror(notice: Notice, services: Services) -> IndexedUpload | None:
    """Make the faces of a collection match the objects of a name in the bucket.

    Args:
        notice: the notification that names the object.
        services: the function's services.

    Returns:
        The result of indexing the object, or None if it does not exist.

    Raises:
        ConflictException: if faces that should be deleted belong to users.
        InternalServerError: if the object keeps changing; the caller may retry.
        Exception: see ``facedex.runtime.faults``.
    """
    try:
        request = uploads.index_request(notice, {})
    except InvalidUploadKey:
        if notice.removed:
            return None
        raise
    for _ in range(_MAX_ROUNDS):
        before = uploads.etags(notice.bucket, notice.key)
        indexed, failure = _synchronise(
            notice, request["CollectionId"], request["ExternalImageId"], list(before), services
        )
        if uploads.etags(notice.bucket, notice.key) != before:
            continue
        if failure:
            raise failure
        return indexed
    raise InternalServerError(
        "The object is being replaced repeatedly; it will be read again later."
    )


def _synchronise(
    notice: Notice,
    collection_id: str,
    external_image_id: str,
    present: list[str],
    services: Services,
) -> tuple[IndexedUpload | None, Exception | None]:
    """Delete the faces of objects that no longer exist, and index the notified one.

    Returns:
        The result of indexing, and an error that no retry would correct.
    """
    found: Upload | None = None
    failure: Exception | None = None
    kept: list[bytes] = []
    for key in present:
        try:
            upload = uploads.fetch(notice.bucket, key)
        except UnreadableUpload:
            raise  # its content is unknown, so every face may be this object's
        except ServiceError as error:
            if error.status >= 500:
                raise
            failure = error if key == notice.key else failure
            continue
        if upload:
            kept.append(sha256(upload.data).digest())
            found = upload if key == notice.key else found
    users = _delete_replaced(collection_id, external_image_id, kept, services)
    indexed: IndexedUpload | None = None
    if found:
        try:
            indexed = index_upload(notice, found, services)
        except Exception as error:
            if service_error(error).status >= 500:
                raise
            failure = error
    if users and failure is None:
        failure = ConflictException(
            f"{users} faces of {collection_id}/{external_image_id} belong to users and were not"
            " deleted; disassociate them first."
        )
    return indexed, failure


def _delete_replaced(
    collection_id: str, external_image_id: str, kept: list[bytes], services: Services
) -> int:
    """Delete the faces of other images; return the number kept because they belong to users."""
    trail = audit.follow(services.trail, "DeleteUploadedFaces")
    services = replace(services, trail=trail)
    audit.describe(trail, {"CollectionId": collection_id}, services.owner)
    with suppress(CollectionNotFound), services.database.transaction() as connection:
        collection = collections.find(connection, collection_id, for_update=True)
        removed, users = faces.delete_replaced(connection, collection, external_image_id, kept=kept)
        services.touch(removed)
        if trail:
            trail.enabled &= bool(removed)
        return users
    return 0
