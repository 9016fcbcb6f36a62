from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from facedex.vision.vision_errors import InvalidImage
from facedex_cli.evaluation import identification, metrics, photos
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.sets import PhotoSet


def unit(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


# Two people with two photos each, in a plane, by the angle; a third with one.
VECTORS, PEOPLE = unit(0, 10, 90, 60, 180), np.array([0, 0, 1, 1, 2])


def test_strangers_are_enrolled_and_searched_in_turns() -> None:
    files = [Path(name) for name in "abcde"]
    found = identification.split(files, None)
    assert [str(file) for file in found.enrolled] == ["a", "c", "e"]
    assert [str(file) for file in found.searched] == ["b", "d"]
    few = identification.split(files, 1)
    assert (few.enrolled, few.searched) == (found.enrolled[:1], found.searched)
    assert identification.split(files, 0).enrolled == ()
    with pytest.raises(EvaluationError, match="at most 3 can be enrolled, not 4"):
        identification.split(files, 4)
    with pytest.raises(EvaluationError, match="Photos of strangers: 1; two or more"):
        identification.split(files[:1], None)


def test_an_enrolled_stranger_can_outrank_the_right_person() -> None:
    thresholds = [(80.0, np.cos(np.radians(31))), (99.0, np.cos(np.radians(9)))]

    def found(*strangers: float) -> identification.Identification:
        return identification.evaluate(
            VECTORS, PEOPLE, unit(*strangers), unit(-9.5, -100), thresholds
        )

    alone = found()
    assert (alone.people, alone.strangers, alone.mated, alone.non_mated) == (3, 0, 2, 2)
    assert alone.rank_one
    assert (alone.rank_one.events, alone.rank_one.count) == (2, 2)
    lenient, strict = alone.at_similarities
    assert lenient.false_negative
    assert lenient.false_negative.events == 0  # 10 and 30 degrees
    assert lenient.false_positive
    assert lenient.false_positive.events == 1  # 9.5 degrees from the first photo, 80 from the third
    assert strict.false_negative
    assert strict.false_negative.events == 2
    beside = found(50, -95)  # nearer to 60 than 90 is, and close to -100
    assert beside.strangers == 2
    assert beside.rank_one
    assert beside.rank_one.events == 1
    lenient, strict = beside.at_similarities
    assert lenient.false_negative
    assert lenient.false_negative.events == 1  # above the threshold, but not the best match
    assert lenient.false_positive
    assert lenient.false_positive.events == 2
    assert strict.false_positive
    assert strict.false_positive.events == 1
    assert beside.false_negative_at == {0.01: None, 0.001: None}  # two searches are too few


def test_misses_are_counted_at_the_threshold_that_the_non_mated_searches_give() -> None:
    alarms = np.arange(1000) / 1000  # one in a hundred is above 0.989
    found = np.array([0.98, 0.989, 0.99, 0.995, -np.inf])
    people = np.array([0, 0, 1, 2, 3])
    missed = metrics.missed_at(found, people, alarms, 0.01)
    assert missed
    assert (missed.events, missed.count) == (3, 5)
    assert missed.low < missed.value < missed.high
    assert missed == metrics.missed_at(found, people, alarms[::-1], 0.01)
    tenth = metrics.missed_at(found, people, alarms, 0.001)
    assert tenth
    assert tenth.events == 5  # 0.998 is the threshold
    assert metrics.missed_at(found, people, alarms, 0.0005) is None
    none = metrics.missed_at(found[2:4], people[2:4], alarms, 0.1)
    assert none
    assert (none.value, none.low, none.high) == (0.0, 0.0, 1.0)  # three in two people


def test_the_interval_of_misses_holds_the_threshold_s_uncertainty() -> None:
    generator = np.random.default_rng(4)
    found = generator.normal(2, 1, 3000)

    def width(searches: int) -> float:
        missed = metrics.missed_at(found, np.arange(3000), generator.normal(0, 1, searches), 0.01)
        assert missed
        assert missed.low < 0.63 < missed.high  # Φ(2.326 - 2)
        return missed.high - missed.low

    assert width(500) > 2 * width(50_000)


def test_identification_without_enough_photos_is_refused() -> None:
    nobody = np.empty((0, 2), np.float32)
    with pytest.raises(EvaluationError, match="a stranger to search"):
        identification.evaluate(VECTORS, PEOPLE, unit(5), nobody, [])
    with pytest.raises(EvaluationError, match="a person who has another one enrolled"):
        identification.evaluate(VECTORS[::2], PEOPLE[::2], nobody, unit(5), [])
    pairs = PhotoSet((), PEOPLE, np.array([[0, 1]]), ())
    with pytest.raises(EvaluationError, match="needs a folder per person"):
        identification.require_folders(pairs)


def test_photos_are_found_in_folders_and_zip_files_alike(tmp_path: Path) -> None:
    folder = tmp_path / "strangers"
    for name in ("b/2.jpg", "b/1.PNG", "a.webp", ".hidden.jpg", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    archive = tmp_path / "strangers.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        writing.mkdir("b")
        for file in folder.rglob("*.*"):
            writing.write(file, file.relative_to(folder))
    packed, plain = photos.found(archive), photos.found(folder)
    assert [str(photo) for photo in plain] == [
        str(folder / name) for name in ("a.webp", "b/1.PNG", "b/2.jpg")
    ]
    assert [str(photo) for photo in packed] == [
        str(archive / name) for name in ("a.webp", "b/1.PNG", "b/2.jpg")
    ]
    for one, other in zip(packed, plain, strict=True):
        assert (one.suffix, one.read_bytes()) == (other.suffix, other.read_bytes())
    with pytest.raises(EvaluationError, match=r"neither a folder nor a complete \.zip file"):
        photos.found(folder / "notes.txt")


def test_a_damaged_photo_in_a_zip_file_is_reported(tmp_path: Path) -> None:
    archive = tmp_path / "strangers.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("1.jpg", b"plain content")
    archive.write_bytes(archive.read_bytes().replace(b"plain", b"other", 1))
    (photo,) = photos.found(archive)
    with pytest.raises(InvalidImage, match="damaged"):
        photos.read(photo)
