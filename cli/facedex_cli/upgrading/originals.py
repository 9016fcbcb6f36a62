"""Which photo is the original of which stored image: by its bytes, else by its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from uuid import UUID

from facedex.store.upgrades import StoredImage
from facedex_cli.importing.naming import Naming, external_image_id
from facedex_cli.importing.photos import Photo

NO_ORIGINAL = "no original"
AMBIGUOUS = "several photos have its name, and none its bytes"


class Originals:
    """The images of a collection; one thread notes what is found, others only look.

    Args:
        images: all of them.
    """

    def __init__(self, images: Iterable[StoredImage]) -> None:
        self._by_digest: dict[bytes, list[StoredImage]] = defaultdict(list)
        for image in images:
            self._by_digest[image.digest].append(image)

    def of_bytes(self, digest: bytes) -> list[StoredImage] | None:
        """The images with these bytes, which may be under several names; None if there are none."""
        return self._by_digest.get(digest)

    def of_names(
        self, photos: Iterable[Photo], root: str, found: set[UUID]
    ) -> tuple[list[tuple[Photo, list[StoredImage]]], dict[UUID, str]]:
        """Photos that are the originals of images by their names.

        A name counts only where it is one photo's and one image's: a folder's name is that of all
        its photos.

        Args:
            photos: those whose bytes are no image's.
            root: name of the outermost folder.
            found: ids of the images whose originals are found by their bytes.

        Returns:
            Each photo with its images, and the reason for each image without one, by ImageId.
        """
        named: dict[str, list[Photo]] = defaultdict(list)
        for photo in photos:
            for name in names(photo, root):
                named[name].append(photo)
        wanted = [image for image in self._pending() if image.image_id not in found]
        called: dict[str, list[StoredImage]] = defaultdict(list)
        for image in wanted:
            if image.external_image_id is not None:
                called[image.external_image_id].append(image)
        chosen: dict[Photo, list[StoredImage]] = defaultdict(list)
        reasons: dict[UUID, str] = {}
        for image in wanted:
            external = image.external_image_id
            candidates = named.get(str(image.image_id), [])
            if not candidates and external is not None:
                candidates = named.get(external, [])
                if candidates and len(called[external]) > 1:
                    reasons[image.image_id] = AMBIGUOUS
                    continue
            if len(candidates) == 1:
                chosen[candidates[0]].append(image)
            else:
                reasons[image.image_id] = AMBIGUOUS if candidates else NO_ORIGINAL
        return list(chosen.items()), reasons

    def _pending(self) -> Iterator[StoredImage]:
        for images in self._by_digest.values():
            yield from (image for image in images if image.pending)


def names(photo: Photo, root: str) -> set[str]:
    """What an image of this photo may be called.

    Its ImageId, the ExternalImageIds that ``facedex import`` gives, and that of an upload.
    """
    stem = PurePosixPath(photo.relative).stem
    given = {external_image_id(naming, photo.relative, root) for naming in Naming}
    return {stem, stem.lower(), *given}
