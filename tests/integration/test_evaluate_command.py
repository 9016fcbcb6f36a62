from __future__ import annotations

import json
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from facedex.vision import packs
from facedex_cli.commands.models import models
from facedex_models import manifests


@pytest.fixture
def people(data: Path, tmp_path: Path) -> Path:
    """Return a folder with three photos of each of six people, and a file that is not a photo."""
    folder = tmp_path / "people"
    for person in range(1, 7):
        (folder / f"s{person}").mkdir(parents=True)
        for number in (1, 4, 7):
            photo = data / "att_faces" / f"s{person}" / f"{number}.pgm"
            shutil.copy(photo, folder / f"s{person}" / photo.name)
    (folder / "s1" / "broken.png").write_bytes(b"no photo")
    return folder


@pytest.fixture
def own_pack(pack_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the default pack that a test may calibrate."""
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path / "models"))
    copy = tmp_path / "models" / manifests.DEFAULT
    shutil.copytree(pack_directory, copy, ignore=shutil.ignore_patterns(packs.CALIBRATION))
    return copy


@pytest.mark.usefixtures("own_pack")
def test_a_folder_per_person_gives_rates_and_pictures(people: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    run = CliRunner().invoke(models, ["evaluate", str(people), "--json", "--plots", str(pictures)])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert found["model"] == manifests.manifest(manifests.DEFAULT).model_version
    assert (found["photos"], found["people"]) == (19, 6)
    assert [Path(path).name for path in found["failuresToEnrol"]] == ["broken.png"]
    assert found["comparisons"] == {"samePerson": 18, "differentPeople": 135}
    rates = {at["falseMatchRate"]: at for at in found["falseNonMatchRateAtFalseMatchRate"]}
    assert rates[0.01]["falseNonMatchRate"]["count"] == 18
    assert rates[1e-5]["falseNonMatchRate"] is None  # 135 comparisons are too few
    assert [at["similarity"] for at in found["atSimilarity"]] == [80, 90, 99]
    assert found["rankOneIdentificationRate"]["value"] > 0.8
    assert {path.name for path in pictures.iterdir()} == {"det.png", "scores.png"}


@pytest.mark.usefixtures("own_pack")
def test_a_pairs_file_is_evaluated_without_identification(people: Path) -> None:
    rows = ["s1/1.pgm,s1/4.pgm,Yes", "s2/1.pgm,s2/7.pgm,Yes", "s1/1.pgm,s2/1.pgm,No"]
    (people / "pairs.csv").write_text("\n".join(["file_x,file_y,Decision", *rows]))
    run = CliRunner().invoke(models, ["evaluate", str(people / "pairs.csv")])
    assert run.exit_code == 0, run.output
    assert "2 comparisons of the same person, 1 of different people" in " ".join(run.stdout.split())
    assert "Best match" not in run.stdout
    assert run.stderr == ""


@pytest.mark.usefixtures("own_pack")
def test_groups_and_strangers_are_reported_as_tables_and_as_json(
    people: Path, data: Path, tmp_path: Path
) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("person,group\ns1,[b]old[/b]\ns2,[b]old[/b]\ns3,young\n", "utf-8-sig")
    strangers = tmp_path / "strangers.zip"
    with (
        zipfile.ZipFile(data / "lfw_crops_80.zip") as crops,
        zipfile.ZipFile(strangers, "w") as few,
    ):
        for name in sorted(name for name in crops.namelist() if name.endswith(".jpg"))[:240]:
            few.writestr(name, crops.read(name))
        few.writestr("broken.jpg", b"no photo")  # the first by its name: enrolled
    arguments = ["evaluate", str(people), "--groups", str(groups), "--strangers", str(strangers)]
    run = CliRunner().invoke(models, [*arguments, "--enrolled", "20", "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    rows = {group["group"]: group for group in found["groups"]}
    assert list(rows) == ["[b]old[/b]", "young", "(no group)"]
    old = rows["[b]old[/b]"]
    assert (old["people"], old["photos"], old["photosNotEnrolled"]) == (2, 7, 1)
    assert old["comparisons"] == {"samePerson": 6, "differentPeople": 9}
    assert [at["similarity"] for at in old["atSimilarity"]] == [80, 90, 99]
    assert old["atSimilarity"][0]["falseMatchRate"]["count"] == 9
    by_rate = {at["falseMatchRateOfAll"]: at for at in old["atFalseMatchRateOfAll"]}
    assert by_rate[0.01]["falseNonMatchRate"]["count"] == 6
    assert by_rate[0.001]["falseNonMatchRate"] is None
    assert rows["young"]["atSimilarity"][0]["falseMatchRate"] is None
    search = found["openSetIdentification"]
    assert (search["galleryPeople"], search["galleryStrangers"]) == (6, 19)
    assert [Path(path).name for path in search["failuresToEnrol"]] == ["broken.jpg"]
    assert (search["matedSearches"], search["nonMatedSearches"]) == (12, 120)
    assert search["rankOneIdentificationRate"]["count"] == 12
    at_rate = {
        at["falsePositiveIdentificationRate"]: at["falseNegativeIdentificationRate"]
        for at in search["falseNegativeIdentificationRateAtFalsePositiveIdentificationRate"]
    }
    assert at_rate[0.01]["count"] == 12
    assert at_rate[0.001] is None
    assert [at["similarity"] for at in search["atSimilarity"]] == [80, 90, 99]
    assert search["atSimilarity"][0]["falsePositiveIdentificationRate"]["count"] == 120
    run = CliRunner().invoke(models, arguments)
    assert run.exit_code == 0, run.output
    shown = " ".join(run.stdout.split())
    assert "Group [b]old[/b]: 7 photos of 2 people, 1 without a face" in shown
    assert "6 comparisons of the same person, 9 of different people of the group" in shown
    assert "126 people enrolled, 120 of them strangers" in shown
    assert "12 searches of people who are enrolled, 120 of strangers who are not" in shown


@pytest.mark.usefixtures("own_pack")
@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["people", "--groups", "groups.csv"], 1, "names the person s9, who has no photo"),
        (["people", "--strangers", "groups.csv"], 1, "neither a folder nor a complete .zip file"),
        (["people/pairs.csv", "--strangers", "people"], 1, "needs a folder per person"),
        (["people", "--strangers", "people/s2"], 0, "2 of them strangers"),
        (["people", "--strangers", "people/s2", "--enrolled", "3"], 1, "at most 2 can be enrolled"),
        (["people", "--enrolled", "3"], 2, "add --strangers"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(
    people: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(people.parent)
    Path("groups.csv").write_text("person,group\ns9,old\n")
    Path("people/pairs.csv").write_text("one,other,same\ns1/1.pgm,s1/4.pgm,1\n")
    run = CliRunner().invoke(models, ["evaluate", *arguments])
    assert run.exit_code == status, run.output
    assert complaint in " ".join(run.output.split())
    assert "Traceback" not in run.output


@pytest.mark.usefixtures("own_pack")
def test_too_few_people_are_refused_in_one_sentence(people: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(models, ["calibrate", str(people)])
    assert run.exit_code == 1
    assert "too few to calibrate" in run.output
    assert "Traceback" not in run.output
    (tmp_path / "empty").mkdir()
    run = CliRunner().invoke(models, ["evaluate", str(tmp_path / "empty")])
    assert run.exit_code == 1
    assert "a folder for each of two or more people" in run.output


def test_a_calibration_is_used_from_then_on_and_survives_a_pull(
    data: Path, own_pack: Path, tmp_path: Path
) -> None:
    shipped = packs.load(own_pack).calibration.cosine(99)
    crops = tmp_path / "crops"
    with zipfile.ZipFile(data / "lfw_crops_80.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        for name in names[::9][:455]:
            archive.extract(name, crops)
    for photo in sorted(crops.rglob("*.jpg")):
        photo.replace(crops / photo.name)
    run = CliRunner().invoke(models, ["calibrate", str(crops)])
    assert run.exit_code == 0, run.output
    assert run.stdout == f"{own_pack / packs.CALIBRATION}\n"
    text = (own_pack / packs.CALIBRATION).read_text()
    assert "455 photos of 455 people in crops" in text
    assert "impostor_pairs = 1032" in text
    assert CliRunner().invoke(models, ["pull"]).exit_code == 0
    own = packs.load(own_pack).calibration.cosine(99)
    assert own != shipped
    assert own == pytest.approx(shipped, abs=0.01)  # the same people as the shipped one's
    single = tomllib.loads(text)
    other = tmp_path / "other"
    shutil.copytree(crops, other)
    out = tmp_path / "both.toml"
    run = CliRunner().invoke(models, ["calibrate", str(crops), str(other), "--out", str(out)])
    assert run.exit_code == 0, run.output
    assert run.stdout == f"{out}\n"
    both = tomllib.loads(out.read_text())
    assert both["data"] == (
        "weighted equally: 455 photos of 455 people in crops; 455 photos of 455 people in other"
    )
    assert both["impostor_pairs"] == 2 * single["impostor_pairs"]
    assert both["cosine"] == single["cosine"]
