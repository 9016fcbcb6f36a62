"""Index one object that was read."""

from __future__ import annotations

from dataclasses import dataclass

from facedex.api.errors import InvalidImageFormatException
from facedex.aws.uploads import Notice, Upload, index_request
from facedex.runtime.services import Services
from facedex.workflows.indexing import Indexed, index


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an object.

    Attributes:
        indexed: what IndexFaces would answer.
        tagged: whether the object has tags, which may be ours, of an earlier failure.
    """

    indexed: Indexed
    tagged: bool


def add(notice: Notice, upload: Upload, services: Services) -> Added:
    """Index an object as its key and metadata ask.

    Raises:
        Exception: see ``facedex.runtime.faults`` for what each means.
    """
    request = index_request(notice, upload.metadata)
    if not upload.data:
        raise InvalidImageFormatException("The object has no bytes; upload a JPEG or PNG image.")
    indexed = index(request | {"Image": {"Bytes": upload.data}}, services)
    return Added(indexed, upload.tagged)
