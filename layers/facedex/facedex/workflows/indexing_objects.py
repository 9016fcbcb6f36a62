"""Indexing of objects of S3 without a caller that waits: uploads, and photos of a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any

from facedex.api.errors import InvalidImageFormatException
from facedex.aws.uploads import Upload
from facedex.runtime.model_change import with_current_model
from facedex.runtime.services import Services
from facedex.store import adding
from facedex.store.collections import find_recent
from facedex.workflows.indexing import Indexed, index


def index_object(request: Mapping[str, Any], upload: Upload, services: Services) -> Indexed:
    """Index the content of an object.

    Args:
        request: a checked request of IndexFaces; its image is replaced by the object's content.
        upload: the object's content.
        services: the function's services.

    Raises:
        Exception: see ``facedex.runtime.faults`` for what each means.
    """
    if not upload.data:
        raise InvalidImageFormatException("The object has no bytes; upload a JPEG or PNG image.")
    current = {**request, "Image": {"Bytes": upload.data}}
    # No caller waits, and an object that had to be repeated too often would fail for ever.
    return with_current_model(partial(index, current, services, patience=None))


def count_indexed(
    collection_id: str, external_image_id: str, upload: Upload, services: Services
) -> int:
    """Return how many faces of an object's content the collection has with an ExternalImageId.

    Raises:
        CollectionNotFound: if there is no such collection.
        DatabaseUnavailable: if the database does not answer.
    """
    seen = find_recent(services.database, collection_id)
    with services.database.reading() as connection:
        return adding.count_of_image(
            connection, seen, sha256(upload.data).digest(), external_image_id
        )
