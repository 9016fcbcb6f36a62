"""Indexing of one uploaded object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from facedex.api.errors import InvalidImageFormatException
from facedex.aws.uploads import Notice, Upload, index_request
from facedex.runtime.model_change import with_current_model
from facedex.runtime.services import Services
from facedex.workflows.indexing import Indexed, index


@dataclass(frozen=True, slots=True)
class IndexedUpload:
    """The result of indexing an object.

    Attributes:
        result: the result, as for IndexFaces.
        tagged: whether the object has tags, possibly Facedex's own from an earlier failure.
    """

    result: Indexed
    tagged: bool


def index_upload(notice: Notice, upload: Upload, services: Services) -> IndexedUpload:
    """Index an object as its key and metadata specify.

    Args:
        notice: the notification that names the object.
        upload: the object's content.
        services: the function's services.

    Raises:
        Exception: see ``facedex.runtime.faults`` for what each means.
    """
    request = index_request(notice, upload.metadata)
    if not upload.data:
        raise InvalidImageFormatException("The object has no bytes; upload a JPEG or PNG image.")
    request |= {"Image": {"Bytes": upload.data}}
    # No caller waits, and an object that had to be repeated too often would become a dead letter.
    result = with_current_model(partial(index, request, services, patience=None))
    return IndexedUpload(result, upload.tagged)
