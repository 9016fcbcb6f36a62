"""Tags: the resources that ARNs name, and the tag that names a collection's model pack."""

from __future__ import annotations

from collections.abc import Collection as Names
from typing import Final

from facedex.api.arns import Kind
from facedex.api.errors import InvalidParameterException
from facedex.runtime.services import Services
from facedex.store import collections, stream_processors, tags
from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.tags import Tagged
from facedex.vision import numbers

# The tag of a collection that names its model pack.
PACK: Final = "facedex:pack"


def find(
    connection: Connection, services: Services, arn: str, *, for_update: bool = False
) -> Tagged:
    """Return the collection or the stream processor that an ARN names.

    Args:
        connection: in a transaction.
        services: of the request.
        arn: the resource's ARN.
        for_update: block deletion until the transaction ends; for writers.

    Raises:
        ServiceError: if the ARN is of another kind or has another owner.
        CollectionNotFound, StreamProcessorNotFound: if the resource does not exist.
    """
    kind, name = services.owner.resource(arn)
    if kind is Kind.STREAM_PROCESSOR:
        return stream_processors.find(connection, name, for_update=for_update)
    return collections.find(connection, name, for_update=for_update)


def require_pack(connection: Connection, resource: Tagged, wanted: str | None) -> None:
    """Check that a change of tags does not change a collection's pack.

    Args:
        connection: in the transaction of the change.
        resource: the resource whose tags are changed.
        wanted: the new value of the tag; None if it is removed.

    Raises:
        InvalidParameterException: if the change would affect the collection's pack.
    """
    if not isinstance(resource, Collection):
        return
    present = tags.read(connection, resource).get(PACK)
    names: Names[str | None] = {present, numbers.name(resource.model_version)}
    if wanted not in names or (wanted is None and present is not None):
        raise InvalidParameterException(
            f"A collection keeps its model pack, and with it the tag {PACK}; `facedex collections"
            f" upgrade {resource.collection_id} --from FOLDER_OF_PHOTOS --pack PACK` moves it to"
            " another pack."
        )
