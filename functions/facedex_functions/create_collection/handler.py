"""CreateCollection: an empty gallery, bound to a model pack for life or until it is upgraded."""

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
    """Make a collection under a name that is free, with the default pack or the one of its tag."""
    named = request.get("Tags", {})
    pack = _choose(named[PACK], services) if PACK in named else services.pack
    with services.database.transaction() as connection:
        collection = collections.create(connection, request["CollectionId"], pack.model_version)
        tags.put(connection, collection, named)
    return {
        "StatusCode": 200,
        "CollectionArn": services.owner.collection_arn(collection.collection_id),
        "FaceModelVersion": collection.model_version,
    }


def _choose(name: str, services: Services) -> Pack:
    """The pack that a tag names."""
    here = services.installed_packs
    if name not in here:
        raise InvalidParameterException(
            f"The tag {PACK} is {name!r}, which is not the name of a model pack that is installed"
            f" here; installed are: {', '.join(here)}. `facedex models pull` installs another."
        )
    return services.pack_named(name)


lambda_handler = operation("CreateCollection", create_collection)
