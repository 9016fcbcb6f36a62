"""What several rooms' tests need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from facedex_models import installing
from local import portraits as public_portraits

# A first start may have to download the model pack.
_STARTUP = 600.0
_CHOICES = ("FACEDEX_DATABASE_URL", "FACEDEX_DATA_DIR", "FACEDEX_PACK", "AWS_ENDPOINT_URL")


class Server:
    """``facedex up`` as a process of its own, and clients for it.

    Attributes:
        url: where it answers.
        process: the process.
    """

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        """Start it on a data directory and a free port, and wait until it is ready."""
        self.log = directory.with_name(f"{directory.name}.log")
        self.process = start(directory, *arguments, log=self.log, environment=environment)
        overdue = threading.Timer(_STARTUP, self.process.kill)
        overdue.start()
        try:
            self.url = self._read_url()
        finally:
            overdue.cancel()

    def _read_url(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                return line.split()[1]
        raise AssertionError(f"facedex up ended before it was ready: {self.log.read_text()}")

    def client(self, service: str, **options: Any) -> Any:
        """An unmodified boto3 client that talks to it."""
        chosen = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing",
        }
        return boto3.client(service, **(chosen | options))  # type: ignore[call-overload]

    def stop(self) -> int:
        """End it as Ctrl-C does and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def start(
    directory: Path, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start ``facedex up`` on a data directory, on a free port unless the arguments name one."""
    inherited = {name: value for name, value in os.environ.items() if name not in _CHOICES}
    command = [str(Path(sys.executable).with_name("facedex")), "up", f"--data-dir={directory}"]
    with log.open("a") as errors:
        return subprocess.Popen(
            [*command, *(arguments or ("--port=0",))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**inherited, **(environment or {})},
            text=True,
        )


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of test photos, or skip where there is none."""
    chosen = os.environ.get("FACEDEX_TEST_DATA")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no test photos in {folder}; set FACEDEX_TEST_DATA to a folder of them")
    return folder


@pytest.fixture(scope="session")
def pack_directory() -> Path:
    """Return the default model pack, pulled where it is not there yet."""
    return installing.pull()


@pytest.fixture(scope="session")
def portraits() -> dict[str, bytes]:
    """Return two portraits in the public domain, Eileen Collins's and Grace Hopper's."""
    return public_portraits.fetch()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, pack_directory: Path) -> Iterator[Server]:
    """Return a running product that the whole session shares."""
    running = Server(
        tmp_path_factory.mktemp("machine") / "data", FACEDEX_MODELS=str(pack_directory.parent)
    )
    yield running
    assert running.stop() == 0
