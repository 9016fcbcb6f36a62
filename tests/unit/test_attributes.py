"""Attributes of faces in the public portraits: as they are, turned, small and dark."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedex.api.service_model import shape
from facedex.vision.attributes import networks
from facedex.vision.attributes.networks import AttributePack
from facedex.vision.attributes.values import EMOTIONS, EVERY, Attribute, Details
from facedex.vision.packs import Pack
from facedex.vision.vision_errors import PackMissing
from tests.e2e.photos import Portraits, altered, jpeg
from tests.unit.described import decoded, seen

NAMES = shape("LandmarkType")["enum"]
_EYES = (11, 12, 13, 14), (15, 16, 17, 18)  # left, right, top and bottom of each


def points(details: Details, photo: bytes, degrees: float = 0) -> np.ndarray:
    """Return the landmarks in pixels, turned back by degrees, clockwise, about the middle."""
    with Image.open(io.BytesIO(photo)) as picture:
        size = np.array(picture.size)
    assert details.landmarks is not None
    places = np.array(details.landmarks) * size - size / 2
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.asarray(places @ np.array([[cosine, -sine], [sine, cosine]]))


def dark(picture: Image.Image) -> Image.Image:
    return picture.point(lambda value: value // 6)


def resized(picture: Image.Image, times: float) -> Image.Image:
    return picture.resize((round(picture.width * times), round(picture.height * times)))


def turned(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)


def check_order(marks: np.ndarray) -> None:
    """Check that the landmarks of an upright face lie beside and above each other as named."""
    place = dict(zip(NAMES, marks, strict=True))
    for left, right in (
        ("eyeLeft", "eyeRight"),
        ("mouthLeft", "mouthRight"),
        ("leftEyeBrowLeft", "leftEyeBrowUp"),
        ("leftEyeBrowUp", "leftEyeBrowRight"),
        ("leftEyeBrowRight", "rightEyeBrowLeft"),
        ("rightEyeBrowLeft", "rightEyeBrowUp"),
        ("rightEyeBrowUp", "rightEyeBrowRight"),
        ("leftEyeLeft", "leftPupil"),
        ("leftPupil", "leftEyeRight"),
        ("leftEyeRight", "rightEyeLeft"),
        ("rightEyeLeft", "rightPupil"),
        ("rightPupil", "rightEyeRight"),
        ("noseLeft", "nose"),
        ("nose", "noseRight"),
        ("upperJawlineLeft", "leftEyeLeft"),
        ("rightEyeRight", "upperJawlineRight"),
        ("upperJawlineLeft", "midJawlineLeft"),
        ("midJawlineLeft", "chinBottom"),
        ("chinBottom", "midJawlineRight"),
        ("midJawlineRight", "upperJawlineRight"),
    ):
        assert place[left][0] < place[right][0], (left, right)
    for upper, lower in (
        ("leftEyeBrowUp", "leftEyeUp"),
        ("rightEyeBrowUp", "rightEyeUp"),
        ("leftEyeUp", "leftEyeDown"),
        ("rightEyeUp", "rightEyeDown"),
        ("leftEyeDown", "nose"),
        ("noseLeft", "mouthUp"),
        ("mouthUp", "mouthDown"),
        ("mouthDown", "chinBottom"),
        ("upperJawlineLeft", "midJawlineLeft"),
        ("upperJawlineRight", "midJawlineRight"),
    ):
        assert place[upper][1] < place[lower][1], (upper, lower)


def test_landmarks_lie_as_they_are_named(
    pack: Pack, attributes: AttributePack, portraits: Portraits
) -> None:
    for photo in portraits.values():
        details = seen(pack, attributes, photo)
        assert details.landmarks is not None
        assert len(details.landmarks) == len(NAMES) == 30
        check_order(points(details, photo))


def test_landmarks_are_near_those_of_the_detector(
    pack: Pack, attributes: AttributePack, portraits: Portraits
) -> None:
    for photo in portraits.values():
        image = decoded(photo)
        (face,) = attributes.measure(image, pack.find(image)[:1], EVERY)
        assert face.details is not None
        assert face.details.landmarks is not None
        five = np.array(face.details.landmarks[:5])
        eyes = np.linalg.norm(five[0] - five[1])
        assert abs(five - face.landmarks).max() < 0.2 * eyes


@pytest.mark.parametrize("degrees", range(0, 360, 45))
@pytest.mark.parametrize("alteration", ["none", "dark", "small"])
def test_landmarks_of_turned_dark_and_small_faces_are_where_the_portrait_has_them(
    pack: Pack, attributes: AttributePack, portraits: Portraits, degrees: int, alteration: str
) -> None:
    for photo in portraits.values():
        before = points(seen(pack, attributes, photo), photo)
        image, times = decoded(photo), 1.0
        changed = altered(photo, partial(turned, degrees=degrees))
        if alteration == "dark":
            changed = altered(changed, dark)
        if alteration == "small":  # the face is 40 pixels wide
            times = 40 / (pack.find(image)[0].box.width * image.pixels.shape[1])
            changed = altered(changed, partial(resized, times=times))
        after = points(seen(pack, attributes, changed), changed, degrees)
        check_order(after)
        eyes = np.linalg.norm(before[0] - before[1])
        moved = np.linalg.norm(after / times - before, axis=1) / eyes
        assert moved.mean() < 0.05
        assert moved.max() < 0.2


def test_the_mirror_image_has_the_mirrored_landmarks(
    pack: Pack, attributes: AttributePack, portraits: Portraits
) -> None:
    photo = portraits["eileen"]
    with Image.open(io.BytesIO(photo)) as picture:
        mirrored = jpeg(picture.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    before, after = (
        points(seen(pack, attributes, each), each) * [sign, 1]
        for each, sign in ((photo, 1), (mirrored, -1))
    )
    swapped = [NAMES.index(_opposite(name)) for name in NAMES]
    eyes = np.linalg.norm(before[0] - before[1])
    assert abs(before - after[swapped]).max() < 0.15 * eyes


def _opposite(name: str) -> str:
    """Return the name of a landmark in the mirror image."""
    exchange = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    for start in ("left", "right"):
        if name.startswith(start):
            name = exchange[start] + name.removeprefix(start)
            break
    for end in ("Left", "Right"):
        if name.endswith(end):
            return exchange[end] + "" if name == end else name.removesuffix(end) + exchange[end]
    return name


def test_the_portraits_have_their_visible_attributes(
    pack: Pack, attributes: AttributePack, portraits: Portraits
) -> None:
    eileen, grace = (seen(pack, attributes, portraits[name]) for name in ("eileen", "grace"))
    for answers in (eileen.answers, grace.answers):
        assert answers[Attribute.EYES_OPEN] > 90
        for absent in (Attribute.BEARD, Attribute.MUSTACHE, Attribute.SUNGLASSES):
            assert answers[absent] < 20, absent
    assert eileen.answers[Attribute.SMILE] > 90 > 20 > grace.answers[Attribute.SMILE]
    assert eileen.answers[Attribute.MOUTH_OPEN] > 90 > 20 > grace.answers[Attribute.MOUTH_OPEN]
    assert grace.answers[Attribute.EYEGLASSES] > 80 > 20 > eileen.answers[Attribute.EYEGLASSES]
    for details, expression in ((eileen, "HAPPY"), (grace, "CALM")):
        assert details.emotions is not None
        assert EMOTIONS[int(np.argmax(details.emotions))] == expression
    assert eileen.male is not None
    assert eileen.male < 40
    # Eileen Collins was 35 years old. The age of Grace Hopper, 77, is missed.
    assert eileen.age_range is not None
    assert eileen.age_range.low <= 35 <= eileen.age_range.high
    assert grace.age_range is not None
    assert grace.age_range.low >= 20
    for details in (eileen, grace):  # both look into the camera
        assert details.gaze is not None
        assert max(abs(details.gaze.yaw), abs(details.gaze.pitch)) < 15


@pytest.mark.parametrize("attribute", sorted(EVERY))
def test_an_attribute_alone_is_the_same_as_with_all_others(
    pack: Pack, attributes: AttributePack, portraits: Portraits, attribute: Attribute
) -> None:
    whole = seen(pack, attributes, portraits["grace"])
    alone = seen(pack, attributes, portraits["grace"], frozenset({attribute}))
    measured = {
        name: value
        for name in ("landmarks", "age_range", "male", "emotions", "gaze")
        if (value := getattr(alone, name)) is not None
    }
    assert len(measured) + len(alone.answers) == 1
    for name, value in measured.items():
        assert np.array(value) == pytest.approx(np.array(getattr(whole, name)), abs=1e-3)
    for name, chance in alone.answers.items():
        assert chance == pytest.approx(whole.answers[name], abs=1e-3)


def test_several_faces_have_the_attributes_of_each_alone(
    pack: Pack, attributes: AttributePack, data: Path
) -> None:
    image = decoded((data / "groups" / "selfie-many-people.jpg").read_bytes())
    faces = pack.find(image)
    together = attributes.measure(image, faces, EVERY)
    assert len(together) == len(faces) > 3
    for face, found in zip(faces, together, strict=True):
        (alone,) = attributes.measure(image, [face], EVERY)
        assert alone.details is not None
        assert found.details is not None
        assert found.details.male == pytest.approx(alone.details.male, abs=0.1)
        assert found.details.age_range == alone.details.age_range
        assert found.details.answers == pytest.approx(alone.details.answers, abs=0.1)


def test_no_pack_is_not_an_error_but_an_incomplete_one_is(
    attributes_directory: Path, tmp_path: Path
) -> None:
    assert networks.load(tmp_path / "absent") is None
    incomplete = tmp_path / "attributes"
    incomplete.mkdir()
    (incomplete / "pack.toml").write_bytes((attributes_directory / "pack.toml").read_bytes())
    with pytest.raises(PackMissing, match="facedex models pull attributes"):
        networks.load(incomplete)
