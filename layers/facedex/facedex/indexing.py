"""Faces of a photo become face records: what IndexFaces and an upload have in common.

The quality filter comes first, then MaxFaces takes the largest of what is left. The same bytes
under the same ExternalImageId in the same collection give the same FaceIds back, so that a
repeated call changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from facedex.galleries import look_ahead, refreshing, with_current_model
from facedex.services import Picture, Services
from facedex.store import adding, collections, upgrades
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.errors import StoreError
from facedex.store.faces import StoredFace

if TYPE_CHECKING:
    from facedex.vision.faces import Face

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of the faces of a photo.

    Attributes:
        model_version: of the collection.
        records: the face records, each with the face it is of, largest first.
        unindexed: the other faces, each with the reasons why it was left out.
    """

    model_version: str
    records: Sequence[tuple[StoredFace, Face]]
    unindexed: Sequence[tuple[Face, Sequence[str]]]


def index(request: Mapping[str, Any], services: Services) -> Indexed:
    """Find the faces in a photo and add them to a collection, with the collection's pack.

    Args:
        request: a checked request of IndexFaces, in the service model's names.
        services: what it stands on.

    Raises:
        Exception: see ``facedex.api.faults`` for what each means.
    """
    return with_current_model(partial(_index, request, services))


def _index(request: Mapping[str, Any], services: Services) -> Indexed:
    seen = look_ahead(services.database, request["CollectionId"])
    pack = services.pack_of(seen)
    picture = services.picture(request["Image"], pack)
    chosen, unindexed = _choose(
        picture.faces, request.get("QualityFilter", "AUTO"), request.get("MaxFaces")
    )
    vectors = pack.embed(picture.image, chosen)
    image = adding.NewImage(
        model_version=pack.model_version,
        digest=picture.digest,
        external_image_id=request.get("ExternalImageId"),
        faces=[
            adding.NewFace(face.box, face.confidence, vector)
            for face, vector in zip(chosen, vectors, strict=True)
        ],
    )
    collection, stored = _store(services.database, seen, image)
    if collection.upgrading_to and stored:
        _prepare_upgrade(services, collection, collection.upgrading_to, picture, stored)
    return Indexed(
        collection.model_version, list(zip(stored, chosen, strict=True)), list(unindexed)
    )


def _store(
    database: Database, seen: Collection, image: adding.NewImage
) -> tuple[Collection, Sequence[StoredFace]]:
    """The collection that the faces are in by now, and their records."""
    if image.faces:
        with database.autocommit() as connection:
            if stored := adding.add_new(connection, seen, image):
                return seen, stored
    with refreshing(database, seen), database.transaction() as connection:
        # The name may have changed hands meanwhile: what counts is the collection it names now.
        collection = collections.find(connection, seen.collection_id, keep=True)
        return collection, adding.add(connection, collection, image)


def _prepare_upgrade(
    services: Services,
    collection: Collection,
    model_version: str,
    picture: Picture,
    stored: Sequence[StoredFace],
) -> None:
    """Give faces the vectors that they need when the collection's upgrade ends.

    It is no fault of the request if that fails: the upgrade then reports the faces.
    """
    from facedex.vision.errors import PackMissing

    try:
        pack = services.pack_for(model_version)
        found = services.detect(picture.image, pack)
        records = adding.recognise([face.box for face in found], stored)
        pairs = zip(found, records, strict=True)
        same = [(face, record.face_id) for face, record in pairs if record is not None]
        vectors = pack.embed(picture.image, [face for face, _ in same])
        new = {face_id: vector for (_, face_id), vector in zip(same, vectors, strict=True)}
        with services.database.autocommit() as connection:
            upgrades.keep(connection, collection, model_version, new)
    except (PackMissing, StoreError) as error:
        _logger.warning("A face was indexed without its vector for an upgrade: %s", error)


def _choose(
    found: Sequence[Face], quality_filter: str, max_faces: int | None
) -> tuple[list[Face], list[tuple[Face, list[str]]]]:
    """Split the faces, largest first, into those to index and the others."""
    from facedex.vision.screening import screen

    chosen: list[Face] = []
    unindexed: list[tuple[Face, list[str]]] = []
    for face, shortcomings in screen(found, quality_filter):
        full = max_faces is not None and len(chosen) >= max_faces
        reasons = shortcomings or (["EXCEEDS_MAX_FACES"] if full else [])
        if reasons:
            unindexed.append((face, reasons))
        else:
            chosen.append(face)
    return chosen, unindexed
