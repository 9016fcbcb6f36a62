from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facedex_models import downloading, installing
from facedex_models.fetching import fetch_member
from facedex_models.manifests import Manifest, parse
from facedex_models.model_errors import FetchFailed, ModelError, WrongHash
from facedex_models.networks import UrlSource
from tests.unit.file_server import Answer, FileServer, serving
from tests.unit.package_shelf import network, sha256

CONTENT = bytes(range(256)) * 16
HASH = sha256(CONTENT)
PULL = (
    "import sys, pathlib; from facedex_models import installing, manifests\n"
    "installing.install(manifests.parse(pathlib.Path(sys.argv[1]).read_text()))"
)


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(downloading.MIRROR, raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({}) as running:
        yield running


def ranges(server: FileServer) -> list[str | None]:
    return [wanted for _, wanted in server.asked]


def zipped(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for path, content in files.items():
            packed.writestr(path, content)
    return archive.getvalue()


@pytest.mark.parametrize("folder", ["", "pack/"])
def test_a_file_is_found_in_an_archive_at_its_root_or_in_a_folder(
    server: FileServer, folder: str
) -> None:
    archive = zipped({f"{folder}net.onnx": CONTENT, f"{folder}other.onnx": b"other"})
    server.files["/pack.zip"] = archive
    url = f"{server.url}/pack.zip"
    assert fetch_member(UrlSource(url, sha256(archive), "net.onnx", HASH)) == CONTENT
    # The archive's hash pins a file that has no hash of its own.
    assert fetch_member(UrlSource(url, sha256(archive), "net.onnx")) == CONTENT
    with pytest.raises(WrongHash, match=r"net\.onnx has the SHA-256"):
        fetch_member(UrlSource(url, sha256(archive), "net.onnx", "0" * 64))
    with pytest.raises(FetchFailed, match=r"has no file 'et\.onnx'"):
        fetch_member(UrlSource(url, sha256(archive), "et.onnx"))


def test_a_file_that_is_in_an_archive_twice_is_not_guessed(server: FileServer) -> None:
    server.files["/pack.zip"] = zipped({"a/net.onnx": b"one", "b/net.onnx": b"other"})
    digest = sha256(server.files["/pack.zip"])
    with pytest.raises(FetchFailed, match=r"has no file 'net\.onnx'"):
        fetch_member(UrlSource(f"{server.url}/pack.zip", digest, "net.onnx"))


@pytest.fixture
def pack(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """Return a pack whose two networks are in one archive on the server."""
    monkeypatch.setenv("FACEDEX_MODELS", str(tmp_path / "models"))
    archive = zipped({"tiny/one.onnx": network(), "tiny/two.onnx": network()})
    server.files["/tiny.zip"] = archive
    source = f'url = "{server.url}/tiny.zip"\narchive_sha256 = "{sha256(archive)}"'
    return parse(f"""
        name = "tiny"
        number = 9
        version = "1"
        title = "A pack for tests"
        licence = "none"
        commercial_use = true
        [detector]
        kind = "centerface"
        [detector.source]
        {source}
        member = "one.onnx"
        [embedder]
        kind = "centerface"
        sha256 = "{sha256(network())}"
        dimension = 1
        chip_size = 32
        template = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
        [embedder.source]
        {source}
        member = "two.onnx"
    """)


def left_over(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.suffix != ".lock"}


def test_an_archive_with_both_networks_is_downloaded_once_and_not_kept(
    server: FileServer, pack: Manifest
) -> None:
    seen: list[str] = []
    directory = installing.install(pack, progress=lambda what, *_: seen.append(what))
    assert {path.name for path in directory.iterdir()} == {
        "pack.toml", "detector.onnx", "embedder.onnx", "SHA256SUMS"
    }  # fmt: skip
    assert ranges(server) == [None]
    assert set(seen) == {"tiny.zip"}
    assert left_over(directory.parent) == {"tiny"}


def test_a_killed_pull_resumes(server: FileServer, pack: Manifest, tmp_path: Path) -> None:
    whole = len(server.files["/tiny.zip"])
    server.script = [Answer(stall_after=whole // 2)]
    manifest = tmp_path / "tiny.toml"
    manifest.write_text(pack.text)
    puller = subprocess.Popen([sys.executable, "-c", PULL, str(manifest)], start_new_session=True)
    part = tmp_path / "models" / ".tiny.downloads" / "tiny.zip.part"
    try:
        assert server.stalled.wait(60)
        while not (part.is_file() and part.stat().st_size):
            assert puller.poll() is None
            time.sleep(0.01)
    finally:
        os.killpg(puller.pid, signal.SIGKILL)
        puller.wait()
    arrived = part.stat().st_size
    directory = installing.install(pack)
    assert ranges(server) == [None, f"bytes={arrived}-"]
    assert left_over(directory.parent) == {"tiny"}


def test_a_failed_pull_leaves_only_resumable_files(
    server: FileServer, pack: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = installing.models_directory()
    server.script = [Answer(cut_after=1000), Answer(status=404)]
    with pytest.raises(FetchFailed, match="404"):
        installing.install(pack)
    assert left_over(directory) == {".tiny.downloads"}
    monkeypatch.setenv("FACEDEX_MIRROR", "nonsense")
    (directory / ".tiny.downloads" / "tiny.zip.part").unlink()
    with pytest.raises(FetchFailed, match="nonsense"):
        installing.install(pack)
    assert left_over(directory) == set()


@pytest.mark.parametrize("key", ["archive_sha256", "member"])
def test_a_source_without_a_hash_is_refused(pack: Manifest, key: str) -> None:
    lines = [line for line in pack.text.splitlines() if not line.strip().startswith(f"{key} =")]
    with pytest.raises(ModelError, match="sha256"):
        parse("\n".join(lines))
