from __future__ import annotations

import os
import tomllib
from pathlib import Path

import numpy as np
import pytest

from facedex_cli.evaluation import calibrating, metrics, plots, sets
from facedex_cli.evaluation.calibrating import Source
from facedex_cli.evaluation.evaluation_errors import EvaluationError
from facedex_cli.evaluation.metrics import Comparisons

# Two people with two photos each, and one with one: genuine 0.9 and 0.5.
SCORES = Comparisons(
    scores=np.array([0.9, 0.5, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0, -0.1]),
    one=np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1]),
    other=np.array([0, 1, 1, 1, 1, 1, 2, 2, 2, 2]),
)


def test_the_threshold_at_a_rate_lets_exactly_that_share_pass() -> None:
    impostor = SCORES.impostor
    assert metrics.threshold_at(impostor, 1 / 8) == 0.4  # 0.6 alone is above it
    assert metrics.threshold_at(impostor, 0.5) == 0.1
    assert metrics.threshold_at(impostor, 0.1) is None  # not even one in eight


def test_false_non_matches_are_the_genuine_scores_not_above_the_threshold() -> None:
    found = metrics.non_match_at(SCORES, 1 / 8)
    assert found is not None
    assert (found.value, found.events, found.count) == (0.0, 0, 2)
    assert (found.low, found.high) == (0.0, 1.0)  # three of two people means all
    tightest = metrics.threshold_at(SCORES.impostor, 0.125)
    assert tightest is not None
    assert metrics.non_match_rate(SCORES, 0.55).value == 0.5  # type: ignore[union-attr]


def test_a_person_with_one_photo_takes_part_in_false_matches_alone() -> None:
    scores = SCORES.scores.copy()
    scores[1] = 0.3  # of two genuine ones, below the threshold
    found = metrics.non_match_at(Comparisons(scores, SCORES.one, SCORES.other), 1 / 8)
    assert found is not None
    assert (found.value, found.events, found.count) == (0.5, 1, 2)
    assert 0 <= found.low <= 0.5 <= found.high <= 1


def test_false_matches_at_a_threshold_are_counted_from_it_on() -> None:
    found = metrics.match_rate(SCORES, 0.4)
    assert found is not None
    assert (found.value, found.events, found.count) == (0.25, 2, 8)
    assert found.low <= 0.25 <= found.high
    none = metrics.match_rate(SCORES, 0.7)
    assert none is not None
    assert (none.value, none.low, none.high) == (0.0, 0.0, 1.0)


def test_an_interval_is_as_wide_as_the_people_are_few_and_the_same_each_time() -> None:
    generator = np.random.default_rng(3)

    def drawn(people: int) -> metrics.Rate:
        # The ten comparisons of a person either all fail or all succeed.
        wrong = np.repeat(generator.random(people) < 0.3, 10)
        found = metrics.share_of(wrong, np.repeat(np.arange(people), 10))
        assert found == metrics.share_of(wrong, np.repeat(np.arange(people), 10))
        assert found is not None
        return found

    few, many = drawn(20), drawn(2000)
    assert many.low < 0.3 < many.high
    assert many.high - many.low == pytest.approx(4 * np.sqrt(0.21 / 2000), rel=0.25)
    assert few.high - few.low > 5 * (many.high - many.low)


def test_a_rate_of_0_or_1_has_an_interval_too() -> None:
    everyone = metrics.share_of(np.ones(30, bool), np.repeat(np.arange(10), 3))
    assert everyone is not None
    assert (everyone.value, everyone.high) == (1.0, 1.0)
    assert everyone.low == pytest.approx(0.7)


def test_identification_searches_every_photo_but_the_first_among_the_first_ones() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.8, 0.6]], dtype=np.float32)
    own, others, owners = metrics.identify(vectors, np.array([0, 0, 7, 7]))
    assert own == pytest.approx([0.8, 0.6])
    assert others == pytest.approx([0.6, 0.8])
    assert owners.tolist() == [0, 7]


def test_the_trade_off_never_rises_and_ends_with_everything_accepted() -> None:
    matched, missed = metrics.detection_error_tradeoff(SCORES)
    assert (np.diff(matched) > 0).all()
    assert (np.diff(missed) <= 0).all()
    assert (matched[-1], missed[-1]) == (1.0, 0.0)
    assert (matched[0], missed[0]) == (0.125, 0.5)  # threshold 0.6: of 0.9 and 0.5 one is lost


@pytest.mark.parametrize("title", ["a title", "$\\frac$", "\udcff"])
def test_pictures_are_png_files_whatever_the_folder_of_photos_is_called(
    tmp_path: Path, title: str
) -> None:
    for path in plots.draw(SCORES, title, tmp_path / "new"):
        assert path.read_bytes().startswith(b"\x89PNG")


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_a_folder_is_a_person_and_so_is_a_photo_without_one(tmp_path: Path) -> None:
    for name in ("ann/1.jpg", "ann/deep/2.PGM", "bob/1.png", "carl.jpg", "notes.txt", ".x/1.jpg"):
        photo(tmp_path / name)
    found = sets.read(tmp_path)
    assert [path.name for path in found.photos] == ["1.jpg", "2.PGM", "1.png", "carl.jpg"]
    assert found.people.tolist() == [0, 0, 1, 2]
    assert found.pairs is None


def test_pipes_and_directories_named_like_photos_are_ignored(tmp_path: Path) -> None:
    for person in ("ann", "ben"):
        photo(tmp_path / person / "1.png")
    os.mkfifo(tmp_path / "ann" / "2.png")
    (tmp_path / "ben" / "2.png").mkdir()
    assert [path.name for path in sets.read(tmp_path).photos] == ["1.png", "1.png"]


@pytest.mark.parametrize(
    "table",
    [
        "file_x,file_y,Decision\n1.jpg,2.jpg,Yes\n2.jpg,3.jpg,Yes\n3.jpg,4.jpg,No\n",
        "one,other,same\n1.jpg,2.jpg,1\n2.jpg,3.jpg,true\n3.jpg,4.jpg,0\n",
    ],
)
def test_linked_pairs_are_one_person(tmp_path: Path, table: str) -> None:
    for number in range(1, 5):
        photo(tmp_path / f"{number}.jpg")
    (tmp_path / "pairs.csv").write_text(table)
    found = sets.read(tmp_path / "pairs.csv")
    assert len(set(found.people[:3].tolist())) == 1
    assert len(set(found.people.tolist())) == 2
    assert found.pairs is not None
    assert found.pairs.tolist() == [[0, 1], [1, 2], [2, 3]]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("a.jpg;b.jpg\n", "heading"),
        ("", "heading"),
        ("one,other,same\n1.jpg,2.jpg,perhaps\n", "line 2"),
        ("one,other,same\n\n1.jpg,2.jpg,perhaps\n", "line 3"),
        ("one,other,same\n1.jpg,9.jpg,1\n", "9.jpg, which does not exist"),
        ("one,other,same\n1.jpg,2.jpg,1\n2.jpg,1.jpg,0\n", "contradicts itself"),
    ],
)
def test_an_ambiguous_pairs_file_is_refused(tmp_path: Path, table: str, complaint: str) -> None:
    for number in (1, 2):
        photo(tmp_path / f"{number}.jpg")
    (tmp_path / "pairs.csv").write_text(table)
    with pytest.raises(EvaluationError, match=complaint):
        sets.read(tmp_path / "pairs.csv")


def test_a_calibration_of_few_people_is_refused() -> None:
    with pytest.raises(EvaluationError, match="too few"):
        calibrating.calibrate([Source(np.eye(20, dtype=np.float32), np.arange(20))])


@pytest.mark.filterwarnings("ignore:Polyfit may be poorly conditioned")
def test_one_photo_in_very_many_folders_is_no_basis_of_a_calibration() -> None:
    vectors = np.random.default_rng(8).normal(size=(500, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[400:] = vectors[0]
    with pytest.raises(EvaluationError, match="no photo is in many of them"):
        calibrating.calibrate([Source(vectors, np.arange(500))])


def test_one_photo_in_two_folders_does_not_spoil_a_calibration() -> None:
    generator = np.random.default_rng(8)
    vectors = generator.normal(size=(500, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    clean = calibrating.calibrate([Source(vectors, np.arange(500))])
    vectors = np.concatenate([vectors, vectors[:1] + np.float32(1e-4)])
    found = calibrating.calibrate([Source(vectors, np.arange(501))])
    assert [twins[:3] for twins in found.twins] == [(0, 0, 500)]
    assert clean.twins == []
    assert np.abs(np.array(found.cosine[:10]) - clean.cosine[:10]).max() < 0.01
    twice = calibrating.calibrate([Source(vectors, np.arange(501))] * 2)
    assert (twice.cosine, twice.false_match_rate) == (found.cosine, found.false_match_rate)
    assert [twins[:3] for twins in twice.twins] == [(0, 0, 500), (1, 0, 500)]
    assert twice.pairs == 2 * found.pairs


@pytest.mark.parametrize("name", ["Zo\u00eb", "two\nlines", "\x1b[1m", "\udcff", 'a "b" c\\d'])
def test_a_calibration_can_be_read_whatever_its_folder_is_called(tmp_path: Path, name: str) -> None:
    measured = calibrating.Measured([0.5, 0.9], [1.0, 0.1], pairs=3, twins=[])
    file = tmp_path / "calibration.toml"
    file.write_text(calibrating.to_toml(measured, data=name), "utf-8")
    read = tomllib.loads(file.read_text("utf-8"))
    assert (read["cosine"], read["impostor_pairs"]) == ([0.5, 0.9], 3)
    assert read["data"].isprintable()
