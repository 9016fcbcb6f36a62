"""Indexing of one uploaded object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from facedex.aws.uploads import Notice, Upload, index_request
from facedex.runtime import audit
from facedex.runtime.services import Services
from facedex.workflows.indexing import Indexed
from facedex.workflows.indexing_objects import index_object


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
    # An object that is replaced meanwhile is indexed several times, with a row for each.
    audit.describe(services.trail, request, services.owner)
    services = replace(services, trail=audit.follow(services.trail))
    return IndexedUpload(index_object(request, upload, services), upload.tagged)
