"""Keep the faces of an object no longer than the object, where the setting asks for it.

Whatever a notification says, what counts is what lies in the bucket now, and it is looked at again
after the collection was changed: so notifications that come late, twice or in another order, to
several workers at once, end in the same state. The faces under an ExternalImageId are then those
of the objects of that name, and no others.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import Final

from facedex.api.errors import ConflictException, InternalServerError, ServiceError
from facedex.aws import uploads
from facedex.aws.uploads import InvalidUploadKey, Notice, UnreadableUpload, Upload
from facedex.runtime.faults import service_error
from facedex.runtime.services import Services
from facedex.store import collections, faces
from facedex.store.errors import CollectionNotFound
from facedex_functions.index_upload.adding import Added, add

# An object that is replaced all the time is looked at again when its message comes again.
_MOST_ROUNDS: Final = 5


def mirror(notice: Notice, services: Services) -> Added | None:
    """Make the collection agree with the bucket in what an object's key stands for.

    Returns:
        What became of the object, or None if it is not there.

    Raises:
        ConflictException: faces that should go belong to users.
        InternalServerError: the bucket does not come to rest; worth repeating.
        Exception: see ``facedex.runtime.faults``.
    """
    try:
        request = uploads.index_request(notice, {})
    except InvalidUploadKey:
        if notice.removed:
            return None
        raise
    for _ in range(_MOST_ROUNDS):
        before = uploads.etags(notice.bucket, notice.key)
        outcome, failure = _agree(
            notice, request["CollectionId"], request["ExternalImageId"], list(before), services
        )
        if uploads.etags(notice.bucket, notice.key) != before:
            continue
        if failure:
            raise failure
        return outcome
    raise InternalServerError("The object is being replaced over and over; it is looked at again.")


def _agree(
    notice: Notice,
    collection_id: str,
    external_image_id: str,
    present: list[str],
    services: Services,
) -> tuple[Added | None, Exception | None]:
    """Remove what is no longer there, index what is; a lasting failure is returned, not raised."""
    found: Upload | None = None
    failure: Exception | None = None
    kept: list[bytes] = []
    for key in present:
        try:
            upload = uploads.fetch(notice.bucket, key)
        except UnreadableUpload:
            raise  # what it shows is not known, so no face can be said to be another's
        except ServiceError as error:
            if error.status >= 500:
                raise
            failure = error if key == notice.key else failure
            continue
        if upload:
            kept.append(sha256(upload.data).digest())
            found = upload if key == notice.key else found
    users = _remove(collection_id, external_image_id, kept, services)
    outcome: Added | None = None
    if found:
        try:
            outcome = add(notice, found, services)
        except Exception as error:
            if service_error(error).status >= 500:
                raise
            failure = error
    if users and failure is None:
        failure = ConflictException(
            f"{users} faces of {collection_id}/{external_image_id} belong to users and stay;"
            " disassociate them first."
        )
    return outcome, failure


def _remove(
    collection_id: str, external_image_id: str, kept: list[bytes], services: Services
) -> int:
    """Remove the faces of other images; how many stay because they are a user's."""
    with suppress(CollectionNotFound), services.database.transaction() as connection:
        collection = collections.find(connection, collection_id, for_update=True)
        _, users = faces.delete_replaced(connection, collection, external_image_id, kept=kept)
        return users
    return 0
