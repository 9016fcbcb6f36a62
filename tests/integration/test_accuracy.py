"""The figures of docs/accuracy.md for the default pack, measured on the test data."""

from __future__ import annotations

from pathlib import Path

import pytest

from facedex.vision import packs
from facedex.vision.packs import Pack
from facedex_cli.evaluation import enrolment, evaluating, sets
from facedex_cli.evaluation.evaluating import Evaluation
from facedex_models import installing
from facedex_models.manifests import DEFAULT

SETS = ("att_faces", "people")


@pytest.fixture(scope="module")
def folders(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder with a folder per person for each set."""
    people = tmp_path_factory.mktemp("people")
    for person in (data / "people").glob("*/*/"):
        (people / person.name).symlink_to(person)
    return {"att_faces": data / "att_faces", "people": people}


@pytest.fixture(scope="module")
def measured(folders: dict[str, Path]) -> dict[tuple[str, str], Evaluation]:
    """Return the evaluation of the default pack and of dlib on each set."""
    found = {}
    for name in (DEFAULT, "dlib"):
        pack = packs.load(installing.pull(name), threads=2)
        for title, folder in folders.items():
            found[name, title] = evaluate(pack, folder)
    return found


def evaluate(pack: Pack, folder: Path) -> Evaluation:
    photo_set = sets.folder_per_person(folder)
    enrolled = enrolment.enrol(pack, photo_set.photos)
    assert not enrolled.failures
    return evaluating.evaluate(photo_set, enrolled, pack.measured)


def non_match(evaluation: Evaluation, rate: float) -> float:
    found = evaluation.non_match_at[rate]
    assert found is not None
    return found.value


def test_the_default_pack_misses_less_than_half_of_what_dlib_misses(
    measured: dict[tuple[str, str], Evaluation],
) -> None:
    for rate in (1e-2, 1e-3, 1e-4):
        ours, dlib = (non_match(measured[name, "att_faces"], rate) for name in (DEFAULT, "dlib"))
        assert ours < dlib / 2


@pytest.mark.parametrize("title", SETS)
def test_the_default_pack_misses_at_most_half_of_what_dlib_misses_at_any_similarity(
    measured: dict[tuple[str, str], Evaluation], title: str
) -> None:
    ours, dlib = (measured[name, title] for name in (DEFAULT, "dlib"))
    for at, before in zip(ours.at_similarities, dlib.at_similarities, strict=True):
        assert at.false_non_match is not None
        assert before.false_non_match is not None
        assert at.false_non_match.value <= before.false_non_match.value / 2


@pytest.mark.parametrize("title", SETS)
def test_strangers_match_at_most_three_times_as_often_as_similarity_says(
    measured: dict[tuple[str, str], Evaluation], title: str
) -> None:
    for at in measured[DEFAULT, title].at_similarities:
        assert at.false_match is not None
        assert at.false_match.value <= 3 * (100 - at.similarity) / 10_000


def test_the_best_match_is_nearly_always_the_right_person(
    measured: dict[tuple[str, str], Evaluation],
) -> None:
    for title in SETS:
        found = measured[DEFAULT, title].rank_one
        assert found is not None
        assert found.value > 0.99
