"""Attributes of faces beyond the default ones: measured only if a request names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from facedex.runtime import model_packs
from facedex.runtime.logs import get_logger
from facedex.vision.attributes.values import EVERY, Attribute

if TYPE_CHECKING:
    from facedex.vision.faces import Face
    from facedex.vision.images import Image

_logger: Final = get_logger(__name__)

# Values of the service model that name no single attribute.
ALL: Final = "ALL"
_DEFAULT: Final = "DEFAULT"

# GetFaceDetection returns neither of these, as in Rekognition.
IN_VIDEO: Final = EVERY - {Attribute.EYE_DIRECTION, Attribute.FACE_OCCLUDED}


def requested(names: Iterable[str]) -> frozenset[Attribute]:
    """Return the attributes that the service model's ``Attributes`` add to the default ones."""
    if ALL in names:
        return EVERY
    return frozenset(Attribute(name) for name in names if name != _DEFAULT)


def measure(image: Image, faces: list[Face], names: Iterable[str]) -> list[Face]:
    """Return faces with the attributes that the service model's ``Attributes`` name.

    Without the attributes pack, the faces have only the default attributes: programs often request
    all attributes and read none, and must not fail because of the others.

    Args:
        image: the image in which the faces were found.
        faces: the faces.
        names: ``DEFAULT``, ``ALL`` and names of attributes; none is ``DEFAULT``.

    Raises:
        PackMissing: if the pack is incomplete or was altered.
    """
    return _measure(requested(names), image, faces)


def measuring(attributes: frozenset[Attribute]) -> Callable[[Image, list[Face]], list[Face]]:
    """Return the function that adds attributes to the faces of an image; see ``measure``."""
    return partial(_measure, attributes)


def _measure(attributes: frozenset[Attribute], image: Image, faces: list[Face]) -> list[Face]:
    if not attributes or not faces:
        return faces
    pack = model_packs.attributes()
    if pack is None:
        warn_once()
        return faces
    return pack.measure(image, faces, attributes)


@cache
def warn_once() -> None:
    """Log, once in this process, that requested attributes are not measured."""
    _logger.warning(
        "A request named attributes that are not measured, because the attributes pack is not"
        " installed; fetch it with `facedex models pull attributes`."
    )
