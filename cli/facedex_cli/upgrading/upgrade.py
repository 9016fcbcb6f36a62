"""The upgrade of a collection, from the first photo to the switch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from facedex.store import upgrades
from facedex.store.audit import Names
from facedex.store.collections import Collection
from facedex.store.database import Database
from facedex.store.faces import StoredFace
from facedex.store.upgrade_switch import switch
from facedex.store.upgrades import StoredImage
from facedex.vision.packs import Pack
from facedex.workflows.tagging import PACK
from facedex_cli.auditing.operator import by_operator
from facedex_cli.importing.indexing import run_jobs
from facedex_cli.importing.photos import Photo, Source, Unreadable
from facedex_cli.upgrading.originals import NO_ORIGINAL, Originals
from facedex_cli.upgrading.working import Job, Processed, Worker

# Number of attempts, a moment apart, before a face that was indexed in the meantime counts as
# without an original: IndexFaces stores the new vectors a moment after the old ones.
_ATTEMPTS: Final = 3
_MOMENT: Final = 1.0  # seconds

Show = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Missing:
    """A face without a new vector, and the reason."""

    face: StoredFace
    reason: str


@dataclass(slots=True)
class Outcome:
    """The result of an upgrade.

    Attributes:
        switched: whether the collection now uses the new pack.
        interrupted: whether the user interrupted the upgrade.
        faces: number of faces that got a new vector in this run.
        missing: faces without a new vector; if the collection was switched, they were deleted.
        unreadable: photos and folders that could not be read, with the reason.
        unread: number of these that a later run may be able to read.
        originals: number of photos that are the original of an image.
    """

    switched: bool = False
    interrupted: bool = False
    faces: int = 0
    missing: list[Missing] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unread: int = 0
    originals: int = 0


class Upgrade:
    """Upgrade one collection to a pack.

    Args:
        database: needs a connection for each thread, and one more.
        collection: the collection.
        pack: the new pack.
        source: folder or bucket of the originals.
        concurrency: number of photos to process concurrently.
        side: as ``detection_side`` in ``facedex.settings``.
        max_pixels: as in ``facedex.settings``.
        stopped: returns whether the user has asked to stop.
    """

    def __init__(
        self,
        database: Database,
        collection: Collection,
        pack: Pack,
        source: Source,
        *,
        concurrency: int,
        side: int,
        max_pixels: int,
        stopped: Callable[[], bool],
    ) -> None:
        self._database = database
        self._collection = collection
        self._pack = pack
        self._source = source
        self._concurrency = concurrency
        self._limits = {"side": side, "max_pixels": max_pixels}
        self._stopped = stopped
        self._outcome = Outcome()
        self._reasons: dict[UUID, str] = {}  # by FaceId and by ImageId
        self._photos: dict[bytes, Photo] = {}
        self._listed: set[UUID] = set()  # images that lacked new vectors at the beginning
        self._listed_at = 0.0

    def run(
        self, files: Sequence[Photo | Unreadable], show: Show, *, delete_missing: bool
    ) -> Outcome:
        """Process the photos, then switch if every face has a new vector or may be deleted.

        Args:
            files: all photos, and the folders that cannot be listed.
            show: shows progress over a number of photos; its function is called after each photo
                with the number of faces so far.
            delete_missing: whether faces without an original may be deleted. If any file could not
                be read, no face is deleted, as its original may be among these files.

        Raises:
            StoreError: if the database does not answer, the collection was deleted, or a
                concurrent upgrade of it ended.
        """
        with self._database.transaction() as connection:
            upgrades.begin(connection, self._collection, self._pack.model_version)
        for each in files:
            if isinstance(each, Unreadable):
                self._outcome.unreadable.append((each.place, each.message))
                self._outcome.unread += 1
        self._process_all([each for each in files if isinstance(each, Photo)], show)
        if self._stopped():
            self._outcome.interrupted = True
            return self._outcome
        if not self._outcome.originals:
            # A wrong folder must not delete a collection's faces, even with delete_missing.
            self._outcome.missing = self._faces_without_vector()
            if self._outcome.missing:
                return self._outcome
        return self._finish(delete_missing and not self._outcome.unread)

    def _process_all(self, photos: Sequence[Photo], show: Show) -> None:
        images = list(upgrades.images(self._database, self._collection))
        self._listed = {image.image_id for image in images if image.pending}
        self._listed_at = time.monotonic()
        originals = Originals(images)
        unknown: list[Photo] = []
        found: set[UUID] = set()
        with show(len(photos)) as advance:
            for job, result in self._work((Job(photo) for photo in photos), originals):
                self._photos |= dict.fromkeys(result.digests, job.photo)
                if result.digests and not result.images:
                    unknown.append(job.photo)
                found |= {image.image_id for image in result.images}
                self._add(job, result)
                advance(self._outcome.faces)
        if self._stopped():
            return
        named, reasons = originals.of_names(unknown, self._source.name, found)
        self._reasons |= reasons
        with show(len(named)) as advance:
            jobs = (Job(photo, images) for photo, images in named)
            for job, result in self._work(jobs, originals):
                self._add(job, result)
                advance(self._outcome.faces)

    def _work(self, jobs: Iterable[Job], originals: Originals) -> Iterable[tuple[Job, Processed]]:
        worker = Worker(
            self._database,
            self._collection,
            self._pack,
            self._source,
            originals,
            **self._limits,
        )
        return run_jobs(jobs, worker.process, concurrency=self._concurrency, stopped=self._stopped)

    def _add(self, job: Job, result: Processed) -> None:
        self._outcome.faces += result.faces
        self._outcome.originals += bool(result.images)
        self._outcome.unread += result.unread
        self._reasons |= result.reasons
        if result.message:
            self._outcome.unreadable.append((job.photo.place, result.message))
            self._reasons |= {
                image.image_id: f"its original cannot be read: {result.message}"
                for image in result.images
            }

    def _finish(self, delete_missing: bool) -> Outcome:
        """Switch the collection; repeat the work for faces that were indexed in the meantime."""
        # `known` are faces that existed when the images were listed. A face that was stored just
        # before may get its new vector a moment later, so wait for it.
        time.sleep(max(0.0, _MOMENT - (time.monotonic() - self._listed_at)))
        lacking = [missing.face for missing in self._faces_without_vector()]
        known = {face.face_id for face in lacking if face.image_id in self._listed}
        attempts: Counter[UUID] = Counter()
        while not self._stopped():
            lacking = self._switch(known if delete_missing else set())
            fresh = [face for face in lacking if face.face_id not in known]
            if not fresh:
                self._outcome.switched = not lacking
                return self._outcome
            self._process_fresh(fresh)
            attempts.update(face.face_id for face in fresh)
            known |= {face_id for face_id, count in attempts.items() if count >= _ATTEMPTS}
            time.sleep(_MOMENT)
        self._outcome.interrupted = True
        return self._outcome

    def _switch(self, deletable: set[UUID]) -> list[StoredFace]:
        """Switch the collection unless faces lack a new vector; return those faces."""
        names = Names(self._database.audit_secret)
        name = names.collection(self._database.region, self._collection.collection_id)
        trail = by_operator("UpgradeCollection", region=self._database.region, collection=name)
        with self._database.recording(trail).transaction() as connection:
            lacking = upgrades.pending_faces(connection, self._collection)
            missing = switch(
                connection,
                self._collection,
                self._pack.model_version,
                pack=(PACK, self._pack.name),
                without=list(deletable),
            )
            # The faces that were deleted; without a switch, none was.
            trail.touch(face.face_id for face in lacking)
            trail.enabled = not missing
        self._outcome.missing = [Missing(face, self._reason(face)) for face in lacking]
        return missing

    def _process_fresh(self, faces: Sequence[StoredFace]) -> None:
        wanted = {face.image_id for face in faces}
        images = [
            image
            for image in upgrades.images(self._database, self._collection)
            if image.image_id in wanted
        ]
        by_photo: dict[Photo, list[StoredImage]] = {}
        for image in images:
            if photo := self._photos.get(image.digest):
                by_photo.setdefault(photo, []).append(image)
        jobs = (Job(photo, each) for photo, each in by_photo.items())
        for job, result in self._work(jobs, Originals(images)):
            self._add(job, result)

    def _faces_without_vector(self) -> list[Missing]:
        with self._database.reading() as connection:
            faces = upgrades.pending_faces(connection, self._collection)
        return [Missing(face, self._reason(face)) for face in faces]

    def _reason(self, face: StoredFace) -> str:
        return self._reasons.get(face.face_id) or self._reasons.get(face.image_id) or NO_ORIGINAL
