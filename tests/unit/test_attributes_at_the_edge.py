"""Attributes of faces that the edge of the photo cuts off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedex.vision.attributes.heads import Heads
from facedex.vision.attributes.networks import AttributePack
from facedex.vision.attributes.values import Attribute
from facedex.vision.packs import Pack
from tests.e2e.photos import Portraits, altered
from tests.unit.described import decoded, seen

_OF_EYES = (
    Attribute.EYEGLASSES,
    Attribute.SUNGLASSES,
    Attribute.EYES_OPEN,
    Attribute.FACE_OCCLUDED,
)


def below(pack: Pack, photo: bytes, share: float) -> bytes:
    """Return a photo without what is above the eyes by a share of the distance to the nose."""
    (left, right, nose, *_), *_ = (face.landmarks for face in pack.find(decoded(photo)))
    eyes = (left[1] + right[1]) / 2

    def cut(picture: Image.Image) -> Image.Image:
        top = round(float(eyes + share * (nose[1] - eyes)) * picture.height)
        return picture.crop((0, top, picture.width, picture.height))

    return altered(photo, cut)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_nothing_is_answered_with_confidence_about_eyes_outside_the_picture(
    pack: Pack, attributes: AttributePack, portraits: Portraits, share: float
) -> None:
    for photo in portraits.values():
        details = seen(pack, attributes, below(pack, photo, share))
        for name in _OF_EYES:
            assert abs(details.answers[name] - 50) < 20, name
        assert details.gaze is not None
        assert details.gaze.confidence < 20
        # The mouth is there.
        assert details.answers[Attribute.MUSTACHE] < 20


_OF_MOUTH = (Attribute.SMILE, Attribute.MOUTH_OPEN, Attribute.BEARD, Attribute.MUSTACHE)


def above(pack: Pack, photo: bytes, share: float) -> bytes:
    """Return a photo without what is below the eyes by a share of the distance to the mouth."""
    (left, right, _, *mouth), *_ = (face.landmarks for face in pack.find(decoded(photo)))
    eyes = (left[1] + right[1]) / 2

    def cut(picture: Image.Image) -> Image.Image:
        bottom = round(float(eyes + share * (mouth[0][1] - eyes)) * picture.height)
        return picture.crop((0, 0, picture.width, bottom))

    return altered(photo, cut)


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_nothing_is_answered_with_confidence_about_a_mouth_outside_the_picture(
    pack: Pack, attributes: AttributePack, portraits: Portraits, share: float
) -> None:
    for photo in portraits.values():
        whole = seen(pack, attributes, photo)
        assert whole.answers[Attribute.MUSTACHE] < 10
        details = seen(pack, attributes, above(pack, photo, share))
        for name in _OF_MOUTH:
            assert abs(details.answers[name] - 50) < 20, name
        # The eyes are there.
        assert details.answers[Attribute.SUNGLASSES] < 20


def test_a_mouth_whose_chin_is_in_the_picture_is_answered_as_far_from_the_edge(
    pack: Pack, attributes: AttributePack, portraits: Portraits
) -> None:
    for photo in portraits.values():
        whole = seen(pack, attributes, photo)
        cut = seen(pack, attributes, above(pack, photo, 1.8))
        for name in _OF_MOUTH:
            assert cut.answers[name] == pytest.approx(whole.answers[name], abs=10), name


def test_eyes_at_the_edge_but_inside_the_picture_are_answered_as_far_from_it(
    pack: Pack, attributes: AttributePack, portraits: Portraits
) -> None:
    for photo in portraits.values():
        whole = seen(pack, attributes, photo)
        cut = seen(pack, attributes, below(pack, photo, -0.3))
        for name in _OF_EYES:
            assert cut.answers[name] == pytest.approx(whole.answers[name], abs=5), name


def test_lips_of_any_distance_have_a_probability(attributes_directory: Path) -> None:
    heads = Heads.load(attributes_directory)
    chips = np.zeros((2, 64, 64, 3), np.uint8)
    features = heads.means.reshape(1, 1, -1).repeat(2, axis=0)
    with np.errstate(over="raise"):
        found = heads.chances([features], chips, np.array([-1e4, 1e4], np.float32))
    assert [each[Attribute.MOUTH_OPEN] for each in found] == pytest.approx([0, 100])
