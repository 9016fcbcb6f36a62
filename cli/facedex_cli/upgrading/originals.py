"""Matching of photos to the stored images of which they are the originals, by bytes or by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from uuid import UUID

from facedex.api.naming import Naming, external_image_id, is_excluded_path
from facedex.store.upgrades import StoredImage
from facedex_cli.importing.photos import Photo

NO_ORIGINAL = "no original"
AMBIGUOUS = "several photos have its name, but none its bytes"


class Originals:
    """The images of a collection, with thread-safe look-ups.

    Args:
        images: all images of the collection.
    """

    def __init__(self, images: Iterable[StoredImage]) -> None:
        self._by_digest: dict[bytes, list[StoredImage]] = defaultdict(list)
        for image in images:
            self._by_digest[image.digest].append(image)

    def of_bytes(self, digest: bytes) -> list[StoredImage] | None:
        """Return the images with these bytes, which may have several names; None if there are none.

        Args:
            digest: SHA-256 of the bytes.
        """
        return self._by_digest.get(digest)

    def of_names(
        self, photos: Iterable[Photo], root: str, found: set[UUID]
    ) -> tuple[list[tuple[Photo, list[StoredImage]]], dict[UUID, str]]:
        """Match photos to images by their names.

        A name is used only if it belongs to one photo and one image; a folder's name, for example,
        belongs to all its photos. Hidden files, and those in system folders, have no names here:
        thumbnails are called like their photos.

        Args:
            photos: photos whose bytes are not those of an image.
            root: name of the outermost folder.
            found: ids of the images whose originals were found by their bytes.

        Returns:
            Each photo with its images, and the reason for each image without a photo, by ImageId.
        """
        named: dict[str, list[Photo]] = defaultdict(list)
        for photo in photos:
            for name in () if is_excluded_path(photo.relative) else names(photo, root):
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
    """Return the names that an image of this photo may have.

    These are its ImageId, the ExternalImageIds that ``facedex import`` assigns, and that of an
    upload.

    Args:
        photo: the photo.
        root: name of the outermost folder.
    """
    stem = PurePosixPath(photo.relative).stem
    given = {external_image_id(naming, photo.relative, root) for naming in Naming}
    return {stem, stem.lower(), *given}
