from __future__ import annotations

import hashlib
import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from facedex.settings import DEFAULT_PACK
from facedex.vision import numbers
from facedex_cli.commands.models import models
from facedex_local.machine import Options
from facedex_models import converting, installing
from facedex_models.manifests import DEFAULT, manifest, packs
from facedex_models.model_errors import DamagedPack, UnknownPack
from facedex_models.networks import PypiSource


@pytest.mark.parametrize("name", packs())
def test_every_manifest_describes_a_complete_pack(name: str) -> None:
    pack = manifest(name)
    assert pack.name == name
    assert pack.licence
    embedder = tomllib.loads(pack.text)["embedder"]
    for part in embedder.get("parts", [embedder]):
        assert len(part["template"]) == 5
        assert all(0 < place < part["chip_size"] for place in np.ravel(part["template"]))
    assert len({network.file for network in pack.networks}) == len(pack.networks)
    for network in pack.networks:
        assert network.kind in converting.CONVERTERS
        source = network.source
        if isinstance(source, PypiSource):
            hashes = {source.sha256, source.archive_sha256}
        else:
            hashes = {source.file_sha256, source.sha256 or source.file_sha256}
            assert source.url.startswith("https://github.com/")
        assert all(re.fullmatch("[0-9a-f]{64}", digest or "") for digest in hashes)


def test_every_pack_has_a_number_of_its_own_and_a_model_version_that_is_a_number() -> None:
    found = {name: manifest(name).number for name in packs()}
    assert len(set(found.values())) == len(found)
    assert found == numbers.NUMBERS
    for name in packs():
        version = manifest(name).model_version
        assert re.fullmatch(r"[1-9][0-9]*\.[1-9]", version)
        assert numbers.name(version) == name
    assert numbers.name("900.1") is None
    assert numbers.name("somebodys-own-1") is None


def test_every_room_has_the_same_default_pack() -> None:
    assert DEFAULT_PACK == DEFAULT == Options(Path()).pack


def test_the_default_pack_has_a_calibration() -> None:
    calibration = tomllib.loads(manifest(DEFAULT).text)["calibration"]
    cosine, rate = calibration["cosine"], calibration["false_match_rate"]
    assert len(cosine) == len(rate) > 1
    assert np.all(np.diff(cosine) > 0)
    assert np.all(np.diff(rate) < 0)


def test_an_unknown_pack_is_refused_with_the_names_of_those_that_exist() -> None:
    for call in (manifest, installing.pull, installing.verify, installing.installed):
        with pytest.raises(UnknownPack, match=r"'no-such'.*\bdlib\b"):
            call("no-such")


@pytest.fixture
def pulled_copy(pack_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the default pack that a test may damage."""
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path))
    return Path(shutil.copytree(pack_directory, tmp_path / DEFAULT))


def test_the_models_directory_may_be_named_relative_to_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FACEDEX_MODELS", "~/models")
    assert installing.models_directory() == tmp_path / "models"


def test_the_default_pack_is_valid(pack_directory: Path) -> None:
    assert installing.verify(DEFAULT) == pack_directory


def test_an_altered_network_is_found(pulled_copy: Path) -> None:
    with (pulled_copy / "detector.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0\1\2\3")
    with pytest.raises(DamagedPack, match=r"detector\.onnx has changed.*facedex models pull "):
        installing.verify(DEFAULT)


def test_a_network_that_does_not_load_is_found(pulled_copy: Path) -> None:
    (pulled_copy / "detector.onnx").write_bytes(b"no network")
    sums = pulled_copy / "SHA256SUMS"
    _, *others = sums.read_text().splitlines(keepends=True)
    sums.write_text(
        "".join([f"{hashlib.sha256(b'no network').hexdigest()}  detector.onnx\n", *others])
    )
    with pytest.raises(DamagedPack, match=r"detector\.onnx does not load"):
        installing.verify(DEFAULT)


def test_a_valid_pack_of_another_version_is_reported_as_such(pulled_copy: Path) -> None:
    assert "pull" not in CliRunner().invoke(models, ["verify"]).output
    with (pulled_copy / "pack.toml").open("a") as file:
        file.write("# of another version\n")
    result = CliRunner().invoke(models, ["verify"])
    assert result.exit_code == 0
    assert "facedex models pull " in result.output


def test_a_pack_that_was_not_pulled_is_not_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path))
    assert installing.installed(DEFAULT) is None
    with pytest.raises(DamagedPack, match="facedex models pull "):
        installing.verify(DEFAULT)


def test_the_command_line_prints_the_path_of_a_pulled_pack_alone(pulled_copy: Path) -> None:
    result = CliRunner().invoke(models, ["path"])
    assert (result.exit_code, result.output) == (0, f"{pulled_copy}\n")


def test_the_command_prints_one_line_for_an_error_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path))
    for arguments in (["path"], ["verify"], ["pull", "no-such"], ["path", "no-such"]):
        result = CliRunner().invoke(models, arguments)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert result.output.count("\n") == 1


def test_the_command_line_lists_every_pack_in_lines_that_a_pipe_does_not_fold() -> None:
    result = CliRunner(env={"COLUMNS": None}).invoke(models, ["list"])
    assert result.exit_code == 0
    for name in packs():
        assert manifest(name).model_version in result.output
        assert manifest(name).licence in result.output


def test_the_list_shows_which_version_of_a_pack_is_installed(pulled_copy: Path) -> None:
    def installed() -> tuple[str, str | None, bool]:
        (row,) = [
            line
            for line in CliRunner(env={"COLUMNS": "400"})
            .invoke(models, ["list"])
            .output.split("\n")
            if f"│ {DEFAULT} " in line
        ]
        lines = CliRunner().invoke(models, ["list", "--json"]).stdout.splitlines()
        (pack,) = [each for each in map(json.loads, lines) if each["Default"]]
        return row.split("│")[3].strip(), pack["InstalledVersion"], pack["Damaged"]

    assert installed() == ("yes", manifest(DEFAULT).release, False)
    described = pulled_copy / "pack.toml"
    described.write_text(described.read_text().replace('version = "1"', 'version = "9"', 1))
    other = f"{manifest(DEFAULT).number}.9"
    assert installed() == (f"as {other}", other, False)
    described.write_bytes(b"\xff")
    assert installed() == ("damaged", None, True)
    described.unlink()
    assert installed() == ("no", None, False)


def test_the_list_of_packs_fits_a_terminal_of_80_characters() -> None:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(models, ["list"])
    assert max(map(len, result.output.splitlines())) <= 80
    printed = set(result.output.split())
    for name in packs():
        assert {name, *manifest(name).title.split(), *manifest(name).licence.split()} <= printed


def test_pulling_an_installed_pack_downloads_nothing(
    pulled_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    result = CliRunner().invoke(models, ["pull", DEFAULT])
    assert (result.exit_code, result.output) == (0, f"{pulled_copy}\n")
