"""Pictures that callers send: read, checked, and searched for faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from facedex.aws.objects import image_bytes
from facedex.runtime.services import Services

if TYPE_CHECKING:
    from facedex.vision.faces import DetectedFace, Face
    from facedex.vision.images import Image
    from facedex.vision.packs import Pack

# Rekognition's smallest image, in pixels of either side.
_SMALLEST_SIDE: Final = 80

# Seconds that a large image waits for others, before the caller is asked to repeat the request. A
# client that waits longer believes that the server is gone.
PATIENCE: Final = 1.0

# Rekognition processes the 100 largest faces of an image.
MAX_FACES: Final = 100


@dataclass(frozen=True)
class Picture:
    """A caller's image and the faces in it.

    Attributes:
        data: the bytes as received.
        image: the decoded picture.
        detected: the positions of the faces: at most ``MAX_FACES``, the largest first.
        pack: the pack that found them.
    """

    data: bytes
    image: Image
    detected: list[DetectedFace]
    pack: Pack

    @property
    def digest(self) -> bytes:
        """SHA-256 of the image's bytes."""
        return sha256(self.data).digest()

    @cached_property
    def faces(self) -> list[Face]:
        """The faces with their poses and qualities, which are measured on first access."""
        return self.pack.describe(self.image, self.detected)


def read(
    services: Services,
    document: Mapping[str, Any],
    pack: Pack | None = None,
    *,
    patience: float | None = PATIENCE,
) -> Picture:
    """Read the service model's ``Image`` and find the faces in it.

    Args:
        services: of the request.
        document: the ``Image``.
        pack: finds the faces; the default pack if None.
        patience: seconds that a large image waits for others at most; without a limit if None.

    Raises:
        Busy: if a large image waited for others in vain.
        ServiceError: if the image cannot be read.
        InvalidImage: if the image is not a complete JPEG or PNG.
        ImageTooLarge: if the image has too many pixels.
        ImageTooSmall: if a side has too few pixels.
    """
    # Imported here, so that functions that process no pictures do not load NumPy.
    from facedex.vision.images import decode

    data = image_bytes(document)
    image = decode(
        data,
        max_pixels=services.settings.max_pixels,
        max_whole_pixels=services.settings.max_whole_pixels,
        smallest_side=_SMALLEST_SIDE,
        patience=patience,
    )
    pack = pack or services.pack
    return Picture(data, image, detect(services, image, pack), pack)


def detect(services: Services, image: Image, pack: Pack) -> list[DetectedFace]:
    """Return the faces of an image: at most ``MAX_FACES``, the largest first."""
    return pack.detect(image, longest_side=services.settings.detection_side, limit=MAX_FACES)
