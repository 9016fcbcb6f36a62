from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from facedex_cli.commands.models import models
from facedex_models import installing, manifests
from facedex_models.manifests import manifest, parse
from facedex_models.model_errors import FetchFailed, LicenceNotAccepted
from tests.unit.package_shelf import Shelf, pull_from, stock

RESTRICTED = 'licence_url = "https://example.org/terms"\n        commercial_use = false'
PACKS = ("antelopev2", "buffalo_l", "buffalo_sc")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    stocked = stock(tmp_path)
    pull_from(stocked.folder, stocked.directory, monkeypatch)
    return stocked


def test_the_packs_of_insightface_and_no_others_have_to_be_accepted() -> None:
    restricted = [name for name in manifests.packs() if not manifest(name).commercial_use]
    assert tuple(restricted) == PACKS
    for name in PACKS:
        assert "non-commercial" in manifest(name).licence
        assert (manifest(name).licence_url or "").startswith("https://github.com/deepinsight/")


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_that_is_not_for_commercial_use_is_refused_until_its_licence_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("FACEDEX_MIRROR", tmp_path.as_uri())
    result = CliRunner().invoke(models, ["pull", name])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: The model pack {name} is not for commercial use. Its licence is: InsightFace "
        "models: for non-commercial research purposes only (https://github.com/deepinsight/"
        "insightface/tree/master/python-package#license); read it, and if you accept it run: "
        f"facedex models pull {name} --accept-license\n"
    )
    assert not (tmp_path / "models").exists()
    for option in ("--accept-license", "--accept-licence"):
        accepted = CliRunner().invoke(models, ["pull", name, option])
        assert accepted.exit_code == 1
        assert f"There is no file {tmp_path / name}.zip" in accepted.output


def test_an_accepted_licence_is_remembered_in_the_pulled_pack(shelf: Shelf) -> None:
    pack = shelf.changed("commercial_use = true", RESTRICTED)
    with pytest.raises(LicenceNotAccepted, match=r"none \(https://example\.org/terms\)"):
        installing.install(pack)
    assert not installing.is_accepted(pack)
    directory = installing.install(pack, accept_licence=True)
    assert (directory / "LICENCE-ACCEPTED").read_text() == "none (https://example.org/terms)\n"
    assert installing.is_accepted(pack)
    (directory / "detector.onnx").write_bytes(b"damaged")
    assert installing.install(pack) == directory
    assert installing.is_accepted(pack)


def test_changed_licence_terms_must_be_accepted_again(shelf: Shelf) -> None:
    pack = shelf.changed("commercial_use = true", RESTRICTED)
    installing.install(pack, accept_licence=True)
    other = parse(pack.text.replace('licence = "none"', 'licence = "some"'))
    with pytest.raises(LicenceNotAccepted, match="some"):
        installing.install(other)
    installing.install(other, accept_licence=True)
    assert installing.is_accepted(other)
    assert not installing.is_accepted(pack)


def test_freely_licensed_packs_need_no_acceptance(shelf: Shelf) -> None:
    directory = installing.install(shelf.pack)
    assert not (directory / "LICENCE-ACCEPTED").exists()


def test_a_failed_pull_accepts_nothing(shelf: Shelf) -> None:
    pack = shelf.changed("commercial_use = true", RESTRICTED)
    next(shelf.folder.glob("tiny_embedder*")).unlink()
    with pytest.raises(FetchFailed):
        installing.install(pack, accept_licence=True)
    assert not installing.is_accepted(pack)


def test_the_list_says_what_has_to_be_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path))
    pack = manifest("buffalo_l")
    for expected in ("no; not accepted", "no; accepted"):
        listed = CliRunner(env={"COLUMNS": "200"}).invoke(models, ["list"]).output
        (row,) = [line for line in listed.splitlines() if " buffalo_l " in line]
        assert expected in row
        (tmp_path / pack.name).mkdir(exist_ok=True)
        (tmp_path / pack.name / "LICENCE-ACCEPTED").write_text(f"{pack.terms}\n")
