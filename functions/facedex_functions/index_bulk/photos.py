"""Indexing of one object of a bulk execution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from facedex.api.errors import ServiceError, ThrottlingException
from facedex.api.naming import (
    Naming,
    external_image_id,
    is_excluded_path,
    relative_key,
    root_name,
)
from facedex.api.photo_results import REFUSED, Result, result_of
from facedex.aws import uploads
from facedex.aws.uploads import Upload
from facedex.runtime import audit
from facedex.runtime.faults import service_error
from facedex.runtime.services import Services
from facedex.store.store_errors import CollectionNotFound
from facedex.workflows.indexing_objects import count_indexed, index_object
from facedex_functions.index_bulk.checking import index_document

# Errors after which no other photo can be indexed either.
_FATAL: Final = (CollectionNotFound,)


def index_photo(order: Mapping[str, Any], key: str, services: Services) -> dict[str, Any]:
    """Index an object, unless the collection has its faces already.

    Args:
        order: the checked input of the execution.
        key: of the object.
        services: the function's services.

    Returns:
        A line of the report.

    Raises:
        Exception: if the photo may be indexed later, or no photo can be.
    """
    relative = relative_key(key, order["Prefix"])
    line = {"Photo": f"s3://{order['Bucket']}/{key}"}
    if is_excluded_path(relative) or key.endswith("/"):
        return {**line, "Result": Result.EXCLUDED}
    root = root_name(order["Bucket"], order["Prefix"])
    name = external_image_id(Naming(order["ExternalImageId"]), relative, root)
    line["ExternalImageId"] = name
    upload: Upload | None = None
    try:
        upload = uploads.fetch(order["Bucket"], key)
        if upload is None:
            return {**line, "Result": Result.EXCLUDED, "Message": "It does not exist any more."}
        return {**line, **_index(order, key, name, upload, services)}
    except Exception as raised:
        error = service_error(raised)
        temporary = error.status >= 500 or isinstance(error, ThrottlingException)
        if temporary or isinstance(raised, _FATAL):
            raise
        audit.record_failure(services.trail, error, raised)
        return {**line, **_refusal(error, order["Bucket"], key, upload)}


def _index(
    order: Mapping[str, Any], key: str, name: str, upload: Upload, services: Services
) -> dict[str, Any]:
    """Index an object's content; return the members of the line that depend on it."""
    document = {**index_document(order, key), "ExternalImageId": name}
    request = uploads.apply_metadata(document, upload.metadata)
    if not order["Again"]:
        present = count_indexed(order["CollectionId"], name, upload, services)
        if present:
            return {"Result": Result.INDEXED, "Faces": present, "Earlier": True}
    audit.describe(services.trail, request, services.owner)
    indexed = index_object(request, upload, services)
    faces = len(indexed.records)
    result, reasons = result_of(faces, [each for _, each in indexed.unindexed])
    return {"Result": result, "Faces": faces, "NotIndexed": reasons}


def _refusal(error: ServiceError, bucket: str, key: str, upload: Upload | None) -> dict[str, Any]:
    """Return the members of the line of an object that can never be indexed."""
    # Imported here, with NumPy: a photo was decoded, or is too large.
    from facedex.vision.images import FORMATS

    if error.code not in REFUSED:
        return {"Result": Result.FAILED, "Message": f"{error.code}: {error.message}"}
    starts = tuple(FORMATS)
    longest = max(map(len, starts))
    beginning = upload.data if upload else uploads.read_beginning(bucket, key, longest)
    if not beginning.startswith(starts):
        return {"Result": Result.NOT_AN_IMAGE}
    return {"Result": REFUSED[error.code], "Message": error.message}
