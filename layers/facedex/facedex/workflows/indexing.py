"""Indexing of the faces of a photo as face records, for IndexFaces and for uploads.

The quality filter is applied first. If there are more faces than MaxFaces, those of low quality are
left out first, then the smallest. The same bytes with the same ExternalImageId in the same
collection have the same FaceIds, so a repeated call changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from facedex.parallel import run_both
from facedex.runtime.logs import get_logger
from facedex.runtime.services import Services
from facedex.store import adding, collections, upgrades
from facedex.store.collections import Collection, find_recent
from facedex.store.database import Connection
from facedex.store.faces import Box, StoredFace
from facedex.store.store_errors import ModelMismatch
from facedex.workflows import attributes, pictures
from facedex.workflows.current_collection import refreshing
from facedex.workflows.pictures import Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facedex.vision.faces import Face

_logger: Final = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Indexed:
    """The result of indexing a photo.

    Attributes:
        model_version: of the collection.
        records: the face records, each with its face, largest first.
        unindexed: the other faces, each with the reasons for not indexing it.
    """

    model_version: str
    records: Sequence[tuple[StoredFace, Face]]
    unindexed: Sequence[tuple[Face, Sequence[str]]]


def index(
    request: Mapping[str, Any],
    services: Services,
    *,
    patience: float | None = pictures.PATIENCE,
) -> Indexed:
    """Find the faces in a photo and add them to a collection, with the collection's pack.

    Args:
        request: a checked request of IndexFaces, in the service model's names.
        services: of the request.
        patience: see :func:`pictures.read`.

    Raises:
        ModelMismatch: if the collection changed to another model; nothing was stored.
        Exception: see ``facedex.runtime.faults`` for what each means.
    """
    seen = find_recent(services.database, request["CollectionId"])
    pack = services.pack_of(seen)
    picture = pictures.read(services, request["Image"], pack, patience=patience)
    faces, vectors = _look_at(picture, request.get("DetectionAttributes", ()))
    chosen, unindexed = _choose(
        faces, request.get("QualityFilter", "AUTO"), request.get("MaxFaces")
    )
    if vectors is None or not chosen:
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
    prepared = _prepare_upgrade(services, seen, picture) if seen.upgrading_to else None
    collection, stored = _store(services, seen, image, prepared)
    return Indexed(
        collection.model_version, list(zip(stored, chosen, strict=True)), list(unindexed)
    )


def _look_at(
    picture: Picture, names: Iterable[str]
) -> tuple[list[Face], NDArray[np.float32] | None]:
    """Return the faces with their attributes, and the vector of a face that is alone, or None.

    Such a face is nearly always indexed. Where attributes take as long as the vector, it is made
    meanwhile.
    """
    from facedex.vision.screening import unfit

    def measure() -> list[Face]:
        return attributes.measure(picture.image, picture.faces, names)

    alone = len(picture.detected) == 1 and not unfit(picture.detected[0])
    if not (alone and attributes.requested(names)):
        return measure(), None
    vectors, faces = run_both(lambda: picture.pack.embed(picture.image, picture.detected), measure)
    return faces, vectors


def _store(
    services: Services, seen: Collection, image: adding.NewImage, prepared: _Prepared | None
) -> tuple[Collection, Sequence[StoredFace]]:
    """Store the faces; return the collection that has the name now, and the faces' records."""
    database = services.database
    if image.faces and not seen.upgrading_to:
        database.require_room()
        with database.autocommit() as connection:
            if stored := adding.add_new(connection, seen, image):
                return seen, stored
    with refreshing(database, seen), database.transaction() as connection:
        # Another collection may have the name by now; if so, store the faces there.
        locked = collections.find(connection, seen.collection_id, for_update=True)
        # Read again, as an upgrade may have begun during the wait for the lock.
        collection = collections.find_key(connection, locked.key)
        if collection is None:
            raise collections.deleted_error(locked)
        if collection.upgrading_to != seen.upgrading_to:
            raise ModelMismatch(
                f"An upgrade of the collection {seen.collection_id} began or ended in the"
                " meantime; try again."
            )
        stored = adding.add(connection, collection, image)
        services.touch(face.face_id for face in stored)
        if prepared:
            prepared.store(connection, collection, stored)
        return collection, stored


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Faces of a photo with vectors of the model that the collection is being upgraded to."""

    model_version: str
    boxes: Sequence[Box]
    vectors: Sequence[NDArray[np.float32]]

    def store(
        self, connection: Connection, collection: Collection, stored: Sequence[StoredFace]
    ) -> None:
        """Store the vectors of the faces that were indexed, for the end of the upgrade."""
        pairs = zip(adding.recognise(self.boxes, stored), self.vectors, strict=True)
        new = {record.face_id: vector for record, vector in pairs if record is not None}
        upgrades.add_vectors(connection, collection, self.model_version, new)


def _prepare_upgrade(services: Services, seen: Collection, picture: Picture) -> _Prepared | None:
    """Find and embed the faces with the pack that the collection is being upgraded to.

    Returns:
        The faces, or None if that pack cannot be used: the request should not fail because of it,
        and the upgrade reports faces without new vectors.
    """
    from facedex.vision.screening import unfit
    from facedex.vision.vision_errors import PackMissing

    assert seen.upgrading_to is not None
    try:
        pack = services.pack_for(seen.upgrading_to)
        detected = pictures.detect(services, picture.image, pack)
        found = [face for face in detected if not unfit(face)]
        vectors = list(pack.embed(picture.image, found))
    except PackMissing as error:
        _logger.warning("Faces are indexed without vectors for an upgrade: %s", error)
        return None
    return _Prepared(pack.model_version, [face.box for face in found], vectors)


def _choose(
    found: Sequence[Face], quality_filter: str, max_faces: int | None
) -> tuple[list[Face], list[tuple[Face, list[str]]]]:
    """Split the faces, largest first, into those to index and the others with their reasons."""
    from facedex.vision.screening import screen

    screened = screen(found, quality_filter)
    fit = [number for number, (_, reasons) in enumerate(screened) if not reasons]
    kept = set(fit)
    if max_faces is not None and len(fit) > max_faces:
        # Under NONE, faces of low quality are fit too, and the first to be left out.
        flaws = [len(reasons) for _, reasons in screen(found, "AUTO")]
        kept = set(sorted(fit, key=lambda number: (flaws[number], number))[:max_faces])
    chosen = [face for number, (face, _) in enumerate(screened) if number in kept]
    unindexed = [
        (face, reasons or ["EXCEEDS_MAX_FACES"])
        for number, (face, reasons) in enumerate(screened)
        if number not in kept
    ]
    return chosen, unindexed
