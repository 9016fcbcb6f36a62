"""Attributes of faces of Labeled Faces in the Wild are as often right as docs/attributes.md says.

``face_labels.json`` contains labels given by eye, by the position of the crop among the sorted
names of the archive, without crops that a person could not decide, and the ages of well-known
people in 2003. The classifiers were fitted to these faces, so this finds changes for the worse; the
document has the figures of classifiers that had not seen the faces.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from facedex.vision import images, packs
from facedex.vision.attributes import networks
from facedex.vision.attributes.values import EVERY, Attribute, Details

LABELS = json.loads(Path(__file__).with_name("face_labels.json").read_text("utf-8"))
AGES = {int(number): age for number, age in LABELS.pop("AGE").items()}

# The least share of right answers, somewhat below the documented one.
RIGHT = {
    "BEARD": 0.93,
    "EYES_OPEN": 0.96,
    "GLASSES": 0.95,
    "MALE": 0.97,
    "MOUTH_OPEN": 0.90,
    "MUSTACHE": 0.92,
    "SMILE": 0.95,
    "SUNGLASSES": 0.98,
}


@pytest.fixture(scope="module")
def faces(data: Path, pack_directory: Path, attributes_directory: Path) -> Mapping[int, Details]:
    """Return the attributes of every labelled crop's middle face."""
    pack = packs.load(pack_directory, threads=2)
    attributes = networks.load(attributes_directory, threads=2)
    assert attributes is not None
    wanted = EVERY - {Attribute.THIRTY_LANDMARKS}
    found = {}
    with zipfile.ZipFile(data / "lfw_crops_80.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        labelled = {number for each in LABELS.values() for number in (*each["yes"], *each["no"])}
        for number in sorted(labelled | set(AGES)):
            image = images.decode(
                archive.read(names[number]),
                max_pixels=10**6,
                max_whole_pixels=10**6,
                smallest_side=80,
                patience=None,
            )
            face = min(
                pack.find(image, limit=5, thorough=False),
                key=lambda each: float(abs(each.landmarks.mean(axis=0) - 0.5).sum()),
            )
            (measured,) = attributes.measure(image, [face], wanted)
            assert measured.details is not None
            found[number] = measured.details
    return found


def chance(details: Details, name: str) -> float:
    """Return the probability, 0 to 1, that what the label says is true."""
    answers = details.answers
    if name == "MALE":
        assert details.male is not None
        return details.male / 100
    if name == "GLASSES":
        return (answers[Attribute.EYEGLASSES] + answers[Attribute.SUNGLASSES]) / 100
    return answers[Attribute(name)] / 100


@pytest.mark.parametrize("name", LABELS)
def test_values_are_right_and_nine_in_ten_of_those_given_with_90_percent(
    faces: Mapping[int, Details], name: str
) -> None:
    truth = {number: value == "yes" for value in ("yes", "no") for number in LABELS[name][value]}
    chances = np.array([chance(faces[number], name) for number in truth])
    right = (chances >= 0.5) == np.array(list(truth.values()))
    confidence = np.maximum(chances, 1 - chances)
    assert right.mean() >= RIGHT[name]
    assert (confidence >= 0.9).mean() > 0.7  # most answers are sure
    assert right[confidence >= 0.9].mean() >= 0.95
    between = (confidence >= 0.9) & (confidence < 0.97)
    assert right[between].mean() >= 0.85


def test_smiling_faces_are_happy(faces: Mapping[int, Details]) -> None:
    happy = 3
    for value, least, most in (("yes", 0.9, 1.0), ("no", 0.0, 0.12)):
        emotions = [faces[number].emotions for number in LABELS["SMILE"][value]]
        share = np.mean([each is not None and each[happy] > 50 for each in emotions])
        assert least <= share <= most


def test_three_in_four_ages_are_in_the_range(faces: Mapping[int, Details]) -> None:
    inside = []
    for number, age in AGES.items():
        found = faces[number].age_range
        assert found is not None
        assert found.high - found.low <= 24
        inside.append(found.low <= age <= found.high)
    assert len(inside) == 202
    assert np.mean(inside) > 0.7
