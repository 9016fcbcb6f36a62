from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from facedex_models import installing
from tests.unit.package_shelf import PULL, Shelf, StallingIndex, pull_from, stock


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    stocked = stock(tmp_path)
    pull_from(stocked.folder, stocked.directory, monkeypatch)
    return stocked


@pytest.fixture
def index(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StallingIndex]]:
    StallingIndex.folder = shelf.folder
    for event in (StallingIndex.stalled, StallingIndex.halfway, StallingIndex.released):
        event.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), StallingIndex) as server:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield StallingIndex
        StallingIndex.released.set()
        server.shutdown()
        thread.join()


def test_a_killed_pull_can_be_repeated(shelf: Shelf, index: type[StallingIndex]) -> None:
    index.stalled.set()
    puller = subprocess.Popen(
        [sys.executable, "-c", PULL, str(shelf.manifest_file)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert index.halfway.wait(60)
    finally:
        os.killpg(puller.pid, signal.SIGKILL)
        puller.wait()
    index.stalled.clear()
    (remains,) = shelf.left_over()
    assert remains.endswith(".partial")

    installing.install(shelf.pack)
    assert shelf.left_over() == {"tiny"}


def test_two_concurrent_pulls_end_with_the_same_valid_pack(shelf: Shelf) -> None:
    pullers = [
        subprocess.Popen(
            [sys.executable, "-c", PULL, str(shelf.manifest_file)], stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    answers = [puller.communicate()[0].decode().strip() for puller in pullers]
    assert answers == [str(shelf.directory / "tiny")] * 2
    assert shelf.left_over() == {"tiny"}


def test_a_pull_leaves_alone_the_pull_of_a_pack_whose_name_begins_with_its_own(
    shelf: Shelf, index: type[StallingIndex]
) -> None:
    longer = shelf.folder / "longer.toml"
    longer.write_text(shelf.pack.text.replace('name = "tiny"', 'name = "tiny-dlib"'))
    index.stalled.set()
    puller = subprocess.Popen(
        [sys.executable, "-c", PULL, str(longer)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert index.halfway.wait(60)
    index.stalled.clear()
    installing.install(shelf.pack)
    index.released.set()
    assert puller.communicate() == (f"{shelf.directory / 'tiny-dlib'}\n", "")
    assert shelf.left_over() == {"tiny", "tiny-dlib"}
