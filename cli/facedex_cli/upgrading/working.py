"""Computation of new vectors for indexed faces from their original photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from facedex.store import adding, upgrades
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.upgrades import StoredImage
from facedex.vision import images as pictures
from facedex.vision.packs import Pack
from facedex.vision.screening import unfit
from facedex.vision.vision_errors import ImageTooLarge, InvalidImage
from facedex.workflows.pictures import MAX_FACES
from facedex_cli.importing.import_errors import NotAnImage, TooLarge
from facedex_cli.importing.photos import Photo, Source
from facedex_cli.importing.reducing import is_accepted, reduce
from facedex_cli.upgrading.originals import Originals

NOT_FOUND: Final = "the new pack does not find it in its original"
ILLEGIBLE: Final = "its eyes, nose and mouth cannot be located in its original"


@dataclass(frozen=True, slots=True)
class Job:
    """A photo to be processed.

    Attributes:
        photo: the photo.
        images: the images of which it is the original; None to determine them from its bytes.
    """

    photo: Photo
    images: Sequence[StoredImage] | None = None


@dataclass(frozen=True, slots=True)
class Processed:
    """The result for a photo.

    Attributes:
        digests: SHA-256 of the file, and of the reduced copy that an import would send; empty if
            the file is not a photo.
        images: the images of which it is the original.
        faces: number of faces that got a new vector.
        reasons: the reasons why other faces of its images got none, by FaceId.
        message: the reason why the photo could not be read, or empty.
        unread: whether a later run may be able to read it.
    """

    digests: Sequence[bytes] = ()
    images: Sequence[StoredImage] = ()
    faces: int = 0
    reasons: Mapping[UUID, str] = field(default_factory=dict)
    message: str = ""
    unread: bool = False


class Worker:
    """Process photos; thread-safe.

    Args:
        database: needs a connection for each thread.
        collection: the collection that is upgraded.
        pack: the new pack.
        source: folder or bucket of the photos.
        originals: the images of the collection.
        side: as ``detection_side`` in ``facedex.settings``.
        max_pixels: as in ``facedex.settings``.
    """

    def __init__(
        self,
        database: Database,
        collection: Collection,
        pack: Pack,
        source: Source,
        originals: Originals,
        *,
        side: int,
        max_pixels: int,
    ) -> None:
        self._database = database
        self._collection = collection
        self._pack = pack
        self._source = source
        self._originals = originals
        self._side = side
        self._max_pixels = max_pixels

    def process(self, job: Job) -> Processed:
        """Compute and store the new vectors of a photo's faces.

        Raises:
            StoreError: if the database does not answer or the upgrade has ended.
        """
        try:
            data = self._source.read(job.photo)
        except NotAnImage:
            return Processed()
        except (TooLarge, OSError, BotoCoreError, ClientError) as error:
            return Processed(
                message=str(error),
                images=job.images or (),
                unread=not isinstance(error, TooLarge),
            )
        digests = [sha256(data).digest()]
        images = self._originals.of_bytes(digests[0]) if job.images is None else job.images
        try:
            if images is None and not is_accepted(data):
                # `facedex import` sends a reduced copy.
                data = reduce(data)
                digests.append(sha256(data).digest())
                images = self._originals.of_bytes(digests[1])
            if images is None:
                return Processed(digests)
            return self._upgrade(data, digests, images)
        except (InvalidImage, ImageTooLarge, TooLarge) as error:
            return Processed(digests, images or (), message=str(error))

    def _upgrade(
        self, data: bytes, digests: Sequence[bytes], images: Sequence[StoredImage]
    ) -> Processed:
        with self._database.reading() as connection:
            stored = {
                image: upgrades.pending_faces(connection, self._collection, image.image_id)
                for image in images
            }
        if not any(stored.values()):
            return Processed(digests, images)  # an earlier run stored the vectors
        # Earlier releases also indexed larger PNG and progressive JPEG images.
        most = self._max_pixels
        picture = pictures.decode(data, max_pixels=most, max_whole_pixels=most)
        found = self._pack.detect(picture, longest_side=self._side, limit=MAX_FACES)
        count = 0
        reasons: dict[UUID, str] = {}
        for faces in stored.values():
            records = adding.recognise([face.box for face in found], faces)
            same = [
                (face, record.face_id)
                for face, record in zip(found, records, strict=True)
                if record is not None
            ]
            # Earlier releases indexed faces that have no vector of their own.
            fit = [(face, face_id) for face, face_id in same if not unfit(face)]
            vectors = self._pack.embed(picture, [face for face, _ in fit])
            new = dict(zip((face_id for _, face_id in fit), vectors, strict=True))
            with self._database.autocommit() as connection:
                # A copy of the photo may be processed at the same time.
                count += upgrades.add_vectors(
                    connection, self._collection, self._pack.model_version, new
                )
            seen = {face_id for _, face_id in same}
            reasons |= {
                face.face_id: ILLEGIBLE if face.face_id in seen else NOT_FOUND
                for face in faces
                if face.face_id not in new
            }
        return Processed(digests, images, count, reasons)
