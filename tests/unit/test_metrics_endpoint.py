"""The start of the metrics, and the files in which processes count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facedex_local.http.exchange import Exchange
from facedex_local.metrics import files, scraping
from facedex_local.metrics.scraping import is_scrape
from facedex_local.metrics.starting import start_metrics
from tests.e2e.streaming import until


async def elsewhere(exchange: Exchange) -> None:
    """Answer nothing."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (files.SETTING, "FACEDEX_METRICS", "FACEDEX_METRICS_TOKEN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_without_metrics_the_path_belongs_to_the_other_services(tmp_path: Path) -> None:
    scraped = start_metrics(False, tmp_path, guarded=True)
    assert scraped(elsewhere) is elsewhere
    scraped.count()
    assert files.SETTING not in os.environ
    assert os.environ["FACEDEX_METRICS"] == "false"
    assert not list(tmp_path.iterdir())


def test_every_start_begins_at_zero_in_files_that_only_the_owner_reads(tmp_path: Path) -> None:
    for _ in range(2):
        start_metrics(True, tmp_path, guarded=False)
        folder = Path(os.environ[files.SETTING])
        assert folder.stat().st_mode & 0o077 == 0
        assert {path.name for path in folder.iterdir()} == {"counter_0.db", "histogram_0.db"}
        files.reserve()
        own = folder / f"histogram_{os.getpid()}.db"
        # The blocks are on the disk, so that counting needs no room later.
        assert own.stat().st_blocks * 512 >= own.stat().st_size > 0


def test_files_of_processes_that_died_are_folded_without_a_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "_INTERVAL", 0.01)
    scraped = start_metrics(True, tmp_path, guarded=False)
    folder = Path(os.environ[files.SETTING])
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    files._reserve(folder, died.pid, files._SIZES)
    monkeypatch.delenv(files.SETTING)  # this process itself counts nothing
    scraped.count()
    until(lambda: not list(folder.glob(f"*_{died.pid}.db")))
    assert {path.name for path in folder.iterdir()} == {"counter_0.db", "histogram_0.db"}


def test_a_disk_without_room_leaves_the_server_without_metrics(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "metrics").write_text("a file in place of the folder")
    scraped = start_metrics(True, tmp_path, guarded=False)
    assert scraped(elsewhere) is elsewhere
    assert "There are no metrics" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "signature", "scrape"),
    [
        ("GET", "/metrics", "", True),
        ("GET", "/metrics?name=a", "", True),
        ("HEAD", "/metrics", "", True),
        ("PUT", "/metrics", "", False),
        ("GET", "/metrics/key", "", False),
        # Signed requests are for the bucket of that name.
        ("GET", "/metrics", "AWS4-HMAC-SHA256 Credential=a/2026/r/s3/aws4_request,", False),
    ],
)
def test_a_scrape_is_an_unsigned_read_of_the_path(
    method: str, path: str, signature: str, scrape: bool
) -> None:
    environ = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": path,
        "QUERY_STRING": path.partition("?")[2],
        "HTTP_AUTHORIZATION": signature,
    }
    assert is_scrape(environ) is scrape
