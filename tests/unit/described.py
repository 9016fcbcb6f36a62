"""Photos as packs see them."""

from __future__ import annotations

from facedex.vision import images
from facedex.vision.attributes.networks import AttributePack
from facedex.vision.attributes.values import EVERY, Attribute, Details
from facedex.vision.packs import Pack


def decoded(photo: bytes) -> images.Image:
    return images.decode(
        photo, max_pixels=10**8, max_whole_pixels=10**8, smallest_side=80, patience=None
    )


def seen(
    pack: Pack,
    attributes: AttributePack,
    photo: bytes,
    wanted: frozenset[Attribute] = EVERY,
) -> Details:
    """Return the details of the largest face of a photo."""
    image = decoded(photo)
    (face,) = attributes.measure(image, pack.find(image)[:1], wanted)
    assert face.details is not None
    return face.details
