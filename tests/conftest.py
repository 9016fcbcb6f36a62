"""Fixtures and helpers that several groups of tests share."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest

from facedex_cli.demo import portraits as public_portraits
from facedex_models import installing
from facedex_models.manifests import ATTRIBUTES

# No limits of time, which depends on the load of the machine, and the same examples in each run.
hypothesis.settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("same")

# A shell lets what it starts in the background ignore SIGINT. The commands under test would inherit
# that, and some of them end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A first start may have to download the model pack.
_STARTUP = 600.0
_READY = re.compile(r"^ready (\S+)$", re.MULTILINE)
_CHOICES = ("FACEDEX_DATABASE_URL", "FACEDEX_DATA_DIR", "FACEDEX_PACK", "AWS_ENDPOINT_URL")


def client_of(url: str, service: str, **options: Any) -> Any:
    """Return an unmodified boto3 client of a Facedex server."""
    chosen = {
        "endpoint_url": url,
        "region_name": "us-east-1",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
    }
    return boto3.client(service, **(chosen | options))  # type: ignore[call-overload]


class Server:
    """``facedex up`` in a separate process, and clients for it.

    Attributes:
        url: its URL.
        directory: its data directory.
        process: the process.
    """

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        """Start the server on a data directory and a free port, and wait until it is ready."""
        self.directory = directory
        self.log = directory.with_name(f"{directory.name}.log")
        self.process = start(directory, *arguments, log=self.log, environment=environment)
        self.url = self._wait_until_ready(directory)

    def _wait_until_ready(self, directory: Path) -> str:
        deadline = time.monotonic() + _STARTUP
        while time.monotonic() < deadline:
            if ready := _READY.search(said(directory)):
                return ready[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.process.kill()
        raise AssertionError(f"facedex up did not become ready: {self.log.read_text()}")

    def client(self, service: str, **options: Any) -> Any:
        """Return an unmodified boto3 client of the server."""
        return client_of(self.url, service, **options)

    def stop(self) -> int:
        """Stop the server as Ctrl-C does, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def start(
    directory: Path, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``facedex up`` on a data directory, on a free port unless the arguments name one."""
    inherited = {name: value for name, value in os.environ.items() if name not in _CHOICES}
    command = [str(Path(sys.executable).with_name("facedex")), "up", f"--data-dir={directory}"]
    # Files, not pipes, which no thread would empty while a test runs.
    with log.open("a") as errors, _output(directory).open("w") as output:
        return subprocess.Popen(
            [*command, *(arguments or ("--port=0",))],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**inherited, **(environment or {})},
        )


def said(directory: Path) -> str:
    """Return the output of the last ``facedex up`` on a data directory."""
    return _output(directory).read_text()


def _output(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.out")


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of test photos, or skip the test if there is none."""
    chosen = os.environ.get("FACEDEX_TEST_DATA")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no test photos in {folder}; set FACEDEX_TEST_DATA to a folder of them")
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the CDK as ``infra``, so that it can be selected by ``-m``."""
    for item in items:
        if "cdk" in getattr(item, "fixturenames", ()):
            item.add_marker("infra")


@pytest.fixture(scope="session")
def cdk(pytestconfig: pytest.Config) -> None:
    """Require the CDK: skip if it is missing, but fail if ``-m infra`` selects these tests."""
    missing = ""
    if not (find_spec("aws_cdk") and find_spec("cdk_nag")):
        missing = "the CDK is not installed; it comes with requirements/dev.txt"
    elif shutil.which("node") is None:
        missing = "the CDK needs node"
    if missing and pytestconfig.option.markexpr == "infra":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def pack_directory() -> Path:
    """Return the default model pack, pulled if it is missing."""
    return installing.pull()


@pytest.fixture(scope="session")
def dlib_directory() -> Path:
    """Return the pack that was the default of earlier releases, pulled if it is missing."""
    return installing.pull("dlib")


@pytest.fixture(scope="session")
def attributes_directory() -> Path:
    """Return the pack that attributes of faces come from, pulled if it is missing."""
    return installing.pull(ATTRIBUTES)


@pytest.fixture(scope="session")
def portraits() -> dict[str, bytes]:
    """Return two portraits in the public domain, Eileen Collins's and Grace Hopper's."""
    return public_portraits.fetch()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, pack_directory: Path) -> Iterator[Server]:
    """Return a running server that all tests of the session share."""
    running = Server(
        tmp_path_factory.mktemp("machine") / "data", FACEDEX_MODELS=str(pack_directory.parent)
    )
    yield running
    assert running.stop() == 0
