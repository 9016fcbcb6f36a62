"""The recipes of docs/recipes.md work as they are printed, in a project of a user's own."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.ports import free_port
from tests.tools import python_environment

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "recipes.md"
_FILE = re.compile(r'^```(?:python|js) title="(.+?)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_PATIENCE = 60.0

# A test that does not end.
_ENDLESS = """
import threading
from pathlib import Path

def test_it(facedex_server):
    Path("started").touch()
    threading.Event().wait()
"""

_PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")

Pytest = Callable[..., str]


def recipe(heading: str) -> dict[str, str]:
    """Return the files of the section with a heading, by name."""
    for section in re.split(r"^(?=###? )", _PAGE.read_text(), flags=re.MULTILINE):
        if section.partition("\n")[0].lstrip("# ") == heading:
            return dict(_FILE.findall(section))
    raise AssertionError(f"{_PAGE.name} has no section {heading!r}")


def user_environment(pack_directory: Path) -> dict[str, str]:
    """Return the environment of a user who has the default pack and no settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "FACEDEX_", "PYTEST_"))
    }
    return {**kept, "FACEDEX_MODELS": str(pack_directory.parent)}


@pytest.fixture
def project(tmp_path: Path, portraits: dict[str, bytes]) -> Path:
    """Return a folder with two photos of a person, the second one smaller."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "ann.jpg").write_bytes(portraits["grace"])
    with Image.open(io.BytesIO(portraits["grace"])) as opened:
        smaller = opened.convert("RGB").resize((opened.width // 2, opened.height // 2))
    smaller.save(folder / "ann-smaller.jpg")
    return folder


@pytest.fixture
def run(project: Path, pack_directory: Path) -> Pytest:
    """Return a function that runs pytest on the files of recipes and returns its output."""

    def run(files: dict[str, str], *, fails: bool = False, **environment: str) -> str:
        for name, text in files.items():
            (project / name).write_text(text)
        done = subprocess.run(
            _PYTEST,
            cwd=project,
            env={**user_environment(pack_directory), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def ministack(tmp_path: Path) -> Iterator[str]:
    """Return the address of a MiniStack."""
    python = python_environment(_ROOT / "requirements" / "emulator.txt", Path(sys.executable))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path / "ministack.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [python, "-c", "from ministack.app import main; main()"],
            cwd=tmp_path,
            env={
                **os.environ,
                "GATEWAY_PORT": str(port),
                "BIND_HOST": "127.0.0.1",
                "TMPDIR": str(tmp_path),
                "S3_DATA_DIR": str(tmp_path / "s3"),
                "DOCKER_HOST": "unix:///nonexistent",
            },
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_one_server_answers_the_fixtures_moto_and_s3(run: Pytest) -> None:
    headings = (
        "pytest",
        "Code that makes its own clients",
        "moto in the same process",
        "Facedex for every service",
    )
    files: dict[str, str] = {}
    for heading in headings:
        files |= recipe(heading)
    assert "6 passed" in run(files)


def test_requests_above_the_rate_of_the_settings_are_repeated(run: Pytest) -> None:
    assert "1 passed" in run(recipe("Throttling and other settings"))


def test_buckets_of_motos_server_are_read(run: Pytest) -> None:
    files = recipe("Beside moto's server, MiniStack, LocalStack or floci")
    assert "1 passed" in run(files)


def test_buckets_of_ministack_are_read(run: Pytest, ministack: str) -> None:
    files = recipe("Beside moto's server, MiniStack, LocalStack or floci")
    assert "1 passed" in run(files, OTHER_SERVICES=ministack)


def test_missing_packages_are_named(run: Pytest) -> None:
    files = recipe("pytest") | {"conftest.py": 'import sys\n\nsys.modules["uvicorn"] = None\n'}
    said = run(files, fails=True)
    assert "2 errors" in said
    assert "pip install 'facedex[local]'" in said


def test_reason_of_a_failed_start_is_reported(run: Pytest, tmp_path: Path) -> None:
    files = recipe("pytest") | {
        "conftest.py": "import pytest\n\n\n@pytest.fixture(scope='session')\n"
        "def facedex_settings():\n    return {'FACEDEX_PACK': 'unknown'}\n"
    }
    said = run(files, fails=True)
    assert "The Facedex server did not start: " in said
    assert "unknown" in said


def test_region_is_emptied_of_stream_processors_and_collections(run: Pytest) -> None:
    text = """
import time

def test_it(facedex_server):
    client = facedex_server.client(region="eu-west-1")
    elsewhere = facedex_server.client(region="us-west-2")
    for each in (client, elsewhere):
        each.create_collection(CollectionId="staff")
    media = facedex_server.client("kinesisvideo", region="eu-west-1")
    records = facedex_server.client("kinesis", region="eu-west-1")
    records.create_stream(StreamName="seen", ShardCount=1)
    seen = records.describe_stream(StreamName="seen")["StreamDescription"]["StreamARN"]
    for name in ("door", "gate"):
        client.create_stream_processor(
            Name=name,
            Input={
                "KinesisVideoStream": {"Arn": media.create_stream(StreamName=name)["StreamARN"]}
            },
            Output={"KinesisDataStream": {"Arn": seen}},
            Settings={"FaceSearch": {"CollectionId": "staff"}},
            RoleArn="arn:aws:iam::123456789012:role/streams",
        )
    client.start_stream_processor(Name="door")
    while client.describe_stream_processor(Name="door")["Status"] == "STARTING":
        time.sleep(0.1)
    assert client.describe_stream_processor(Name="door")["Status"] == "RUNNING"
    facedex_server.empty("eu-west-1")
    assert client.list_stream_processors()["StreamProcessors"] == []
    assert client.list_collections()["CollectionIds"] == []
    assert elsewhere.list_collections()["CollectionIds"] == ["staff"]
"""
    assert "1 passed" in run({"test_emptying.py": text})


def test_server_stops_after_a_killed_pytest(project: Path, pack_directory: Path) -> None:
    (project / "test_endless.py").write_text(_ENDLESS)
    output, started = project / "output", project / "started"
    # A short name, because sockets have short paths. A killed pytest does not delete its folder.
    with tempfile.TemporaryDirectory(prefix="fdx") as temporary:
        with output.open("wb") as written:
            process = subprocess.Popen(
                _PYTEST,
                cwd=project,
                env={**user_environment(pack_directory), "TMPDIR": temporary},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
            )
        try:
            until(lambda: started.exists() or process.poll() is not None)
            assert started.exists(), output.read_text()
        finally:
            process.kill()
            process.wait()
        (running,) = Path(temporary).glob("facedex-*/data/running.json")
        # The server removes the file last, when Postgres has stopped.
        until(lambda: not running.exists())


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
