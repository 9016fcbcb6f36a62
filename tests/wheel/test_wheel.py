"""The built wheel works outside a checkout, beside packages called ``functions`` and ``local``.

FACEDEX_WHEEL names the wheel; ``make wheel`` builds one in dist/. .ci/run does both.
"""

from __future__ import annotations

import configparser
import io
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from facedex import __version__
from tests.conftest import client_of

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "layers/facedex/facedex",
    "layers/models/facedex_models",
    "functions/facedex_functions",
    "local/facedex_local",
    "cli/facedex_cli",
)
NEIGHBOURS = ("functions", "local")
_STARTUP = 120.0


@pytest.fixture(scope="session")
def wheel() -> Path:
    chosen = os.environ.get("FACEDEX_WHEEL")
    if not chosen:
        pytest.skip("FACEDEX_WHEEL names no wheel; make wheel builds one in dist/")
    return Path(chosen).resolve(strict=True)


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment with facedex[local] and two packages of the user's own."""
    folder = tmp_path_factory.mktemp("wheel") / "environment"
    venv.create(folder, symlinks=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    for name in NEIGHBOURS:
        (site_packages / name).mkdir()
        (site_packages / name / "__init__.py").write_text("OWNER = 'the user'\n")
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python"]
    pins = ROOT / "requirements" / "local.txt"
    for what in (["--require-hashes", f"--requirement={pins}"], ["--no-deps", str(wheel)]):
        subprocess.run([*pip, "install", "--quiet", *what], check=True, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def url(environment: Path, pack_directory: Path) -> Iterator[str]:
    """Return the address of ``facedex up``, started from a folder that is no checkout."""
    output, data = environment.with_name("up.out"), environment.with_name("data")
    with output.open("w") as file:
        process = subprocess.Popen(
            [environment / "bin" / "facedex", "up", "--port=0", f"--data-dir={data}"],
            cwd=environment.parent,
            env=_settings(pack_directory),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + _STARTUP
    ready = None
    while ready is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        lines = output.read_text().splitlines()
        ready = next((line for line in lines if line.startswith("ready ")), None)
    if ready is None:
        process.kill()
        raise AssertionError(f"facedex up did not become ready: {output.read_text()}")
    yield ready.removeprefix("ready ")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def _settings(pack_directory: Path) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    settings = {name: os.environ[name] for name in kept if name in os.environ}
    return {**settings, "FACEDEX_MODELS": str(pack_directory.parent)}


def test_the_only_top_level_names_are_the_products(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.split("/")[0] for name in archive.namelist()}
    assert names == {
        *(Path(package).name for package in PACKAGES),
        f"facedex-{__version__}.dist-info",
    }


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    files = {
        path.relative_to(folder.parent).as_posix()
        for folder in (ROOT / package for package in PACKAGES)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == files


def test_the_installed_server_has_the_console(url: str) -> None:
    with urllib.request.urlopen(f"{url}/console/", timeout=30) as answer:
        page = answer.read().decode()
    (script,) = re.findall(r'src="(main-\w+\.js)"', page)
    with urllib.request.urlopen(f"{url}/console/{script}", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/javascript")


def test_pytest_finds_the_plugin(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/entry_points.txt"))
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(name).decode())
        module = entries["pytest11"]["facedex"]
        assert f"{module.replace('.', '/')}.py" in archive.namelist()


def test_packages_of_the_user_keep_their_names(environment: Path) -> None:
    code = "import functions, local; print(functions.OWNER, local.OWNER, sep=', ')"
    said = subprocess.run(
        [environment / "bin" / "python", "-c", code],
        cwd=environment.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "the user, the user\n"


def test_the_command_prints_its_version(environment: Path) -> None:
    said = subprocess.run(
        [environment / "bin" / "facedex", "--version"],
        cwd=environment.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == f"facedex, version {__version__}\n"


def test_a_face_is_indexed_and_found(url: str, portraits: dict[str, bytes]) -> None:
    client = client_of(url, "rekognition")
    client.create_collection(CollectionId="staff")
    client.index_faces(
        CollectionId="staff", Image={"Bytes": portraits["grace"]}, ExternalImageId="grace"
    )
    probe = io.BytesIO()
    with Image.open(io.BytesIO(portraits["grace"])) as opened:
        opened.convert("RGB").resize((opened.width // 2, opened.height // 2)).save(probe, "JPEG")
    found = client.search_faces_by_image(CollectionId="staff", Image={"Bytes": probe.getvalue()})
    assert [match["Face"]["ExternalImageId"] for match in found["FaceMatches"]] == ["grace"]


@pytest.mark.parametrize("page", ["/health", "/openapi.json", "/docs"])
def test_pages_are_served(url: str, page: str) -> None:
    with urllib.request.urlopen(url + page) as response:
        assert response.status == 200
        assert response.read()
