"""CreateCollection: create an empty collection, which keeps its model pack until an upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facedex.api.errors import InvalidParameterException
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, tags
from facedex.workflows.tagging import PACK

if TYPE_CHECKING:
    from facedex.vision.packs import Pack


def create_collection(request: Request, services: Services) -> Response:
    """Create a collection with the pack that its tag names, or the default pack."""
    given = request.get("Tags", {})
    pack = _pack_of_tag(given[PACK], services) if PACK in given else services.pack
    with services.database.transaction() as connection:
        collection = collections.create(connection, request["CollectionId"], pack.model_version)
        tags.put(connection, collection, given)
    return {
        "StatusCode": 200,
        "CollectionArn": services.owner.collection_arn(collection.collection_id),
        "FaceModelVersion": collection.model_version,
    }


def _pack_of_tag(name: str, services: Services) -> Pack:
    """Return the pack that a tag names."""
    installed = services.installed_packs
    if name not in installed:
        raise InvalidParameterException(
            f"The tag {PACK} is {name!r}, which is not an installed model pack. Installed packs:"
            f" {', '.join(installed)}. `facedex models pull` installs others."
        )
    return services.pack_named(name)


lambda_handler = operation("CreateCollection", create_collection)
