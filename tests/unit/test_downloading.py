from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facedex_models import downloading
from facedex_models.downloading import Patience
from facedex_models.fetching import fetch_member
from facedex_models.model_errors import FetchFailed, WrongHash
from facedex_models.networks import UrlSource
from tests.unit.file_server import Answer, FileServer, serving
from tests.unit.package_shelf import sha256

CONTENT = bytes(range(256)) * 4096  # 1 MiB
HASH = sha256(CONTENT)
HALF = len(CONTENT) // 2


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(downloading.MIRROR, raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({"/models/net.onnx": CONTENT}) as running:
        yield running


def download(server: FileServer, folder: Path, *, retries: int = 3, digest: str = HASH) -> Path:
    url = f"{server.url}/models/net.onnx"
    return downloading.download(url, digest, folder, patience=Patience(retries, pause=0))


def ranges(server: FileServer) -> list[str | None]:
    return [wanted for _, wanted in server.asked]


def test_a_file_is_downloaded_once_with_its_progress(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    url = f"{server.url}/models/net.onnx"
    for _ in range(2):
        path = downloading.download(
            url, HASH, tmp_path, progress=lambda done, total: seen.append((done, total))
        )
        assert path.read_bytes() == CONTENT
    assert ranges(server) == [None]
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert {total for _, total in seen} == {len(CONTENT)}


@pytest.mark.parametrize("status", [None, 503])
def test_an_interrupted_download_resumes_where_it_stopped(
    server: FileServer, tmp_path: Path, status: int | None
) -> None:
    server.script = [Answer(cut_after=HALF), Answer(status=status, cut_after=HALF // 2)]
    assert download(server, tmp_path).read_bytes() == CONTENT
    second = None if status else f"bytes={HALF + HALF // 2}-"
    assert ranges(server) == [None, f"bytes={HALF}-", second or f"bytes={HALF}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(
    server: FileServer, tmp_path: Path
) -> None:
    server.script = [Answer(cut_after=HALF), Answer(ignores_range=True)]
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_wrong_byte_range_is_not_trusted(server: FileServer, tmp_path: Path) -> None:
    server.script = [Answer(cut_after=HALF), Answer(shifts_range=True)]
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_redirects_are_followed_with_the_range(server: FileServer, tmp_path: Path) -> None:
    server.files["/elsewhere"] = CONTENT
    server.script = [Answer(cut_after=HALF), Answer(redirect="/elsewhere")]
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/elsewhere", f"bytes={HALF}-")


def test_an_earlier_partial_download_is_continued(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:1000])
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1000-"]


def test_a_complete_download_is_not_repeated_after_a_kill(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT)
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize(
    "left", [b"another file" * 100, CONTENT + b"and more", b"x" * len(CONTENT)]
)
def test_a_partial_download_of_another_file_is_discarded(
    server: FileServer, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "net.onnx.part").write_bytes(left)
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server)[-1] is None


@pytest.mark.parametrize(
    "lie",
    [
        Answer(body=b"<html>Please log in</html>"),
        Answer(body=CONTENT[:-1] + b"!"),
        Answer(body=b""),
        # Without a length, a truncated file looks complete.
        Answer(hides_length=True, cut_after=HALF),
    ],
)
def test_an_unexpected_file_is_refused_and_removed(
    server: FileServer, tmp_path: Path, lie: Answer
) -> None:
    server.script = [lie]
    with pytest.raises(WrongHash, match=r"net\.onnx has the SHA-256 [0-9a-f]{64} instead of"):
        download(server, tmp_path)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_keeps_sending_wrong_data_fails_the_download(
    server: FileServer, tmp_path: Path
) -> None:
    server.script = [Answer(cut_after=HALF)] * 3
    with pytest.raises(WrongHash):
        download(server, tmp_path, digest="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_always_stops_at_the_same_byte_fails(
    server: FileServer, tmp_path: Path
) -> None:
    server.script = [Answer(cut_after=HALF, ignores_range=True)] * 20
    with pytest.raises(FetchFailed, match="the connection broke off"):
        download(server, tmp_path, retries=3)
    assert len(server.asked) == 5


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (500, 3), (429, 3)])
def test_only_transient_errors_are_retried(
    server: FileServer, tmp_path: Path, status: int, asked: int
) -> None:
    server.script = [Answer(status=status)] * 9
    with pytest.raises(FetchFailed, match=f"the server answered {status}"):
        download(server, tmp_path, retries=2)
    assert len(server.asked) == asked


def test_an_unreachable_server_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed) as raised:
        downloading.download(
            "http://127.0.0.1:9/net.onnx", HASH, tmp_path, patience=Patience(1, pause=0)
        )
    assert str(raised.value) == (
        "http://127.0.0.1:9/net.onnx could not be downloaded: the server cannot be reached; check "
        "the network, or set FACEDEX_MIRROR to the address of a folder with net.onnx in it, then "
        "try again."
    )


def test_a_mirror_on_the_web_is_asked_by_file_name(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/ours/net.onnx"] = CONTENT
    monkeypatch.setenv("FACEDEX_MIRROR", f"{server.url}/ours/")
    path = downloading.download("http://127.0.0.1:9/far/net.onnx", HASH, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/ours/net.onnx", None)]


def test_a_mirror_folder_is_read_and_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = tmp_path / "our models", "http://127.0.0.1:9/far/net.onnx"
    folder.mkdir()
    monkeypatch.setenv("FACEDEX_MIRROR", folder.as_uri())
    with pytest.raises(FetchFailed, match=r"There is no file .*our models/net\.onnx"):
        downloading.download(url, HASH, tmp_path)
    (folder / "net.onnx").write_bytes(CONTENT)
    for _ in range(2):
        assert fetch_member(UrlSource(url, HASH)) == CONTENT
    (folder / "net.onnx").write_bytes(CONTENT[1:])
    with pytest.raises(WrongHash, match="FACEDEX_MIRROR"):
        downloading.download(url, HASH, tmp_path)
    assert (folder / "net.onnx").read_bytes() == CONTENT[1:]


@pytest.mark.parametrize("mirror", ["/srv/models", "s3://models", "models.example.com"])
def test_a_mirror_that_is_not_a_url_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    monkeypatch.setenv("FACEDEX_MIRROR", mirror)
    with pytest.raises(FetchFailed, match=r"FACEDEX_MIRROR is .*file://"):
        downloading.download("http://127.0.0.1:9/net.onnx", HASH, tmp_path)
