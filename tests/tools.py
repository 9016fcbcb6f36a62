"""Tools that tests run besides Python, installed once for each lock file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import platformdirs
import pytest

_OLDEST_NODE = 20  # the version of Node.js that the AWS SDK for JavaScript requires
_UNREACHABLE = re.compile(
    r"\b(EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT|ENETUNREACH)\b"
)


def do_without(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI, where all tools must be installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def npm_packages(scripts: Path) -> Path:
    """Return a folder with the packages of ``package-lock.json``; install it on first use.

    Args:
        scripts: the folder of ``package.json`` and ``package-lock.json``.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        do_without("node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        do_without(f"node is {version.strip()}, and the AWS SDK needs {_OLDEST_NODE} or newer")

    def fill(draft: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(scripts / name, draft)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=draft,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode and _UNREACHABLE.search(done.stderr):
            do_without(f"npm's registry cannot be reached: {done.stderr}")
        assert done.returncode == 0, done.stderr

    return _installed(scripts.name, (scripts / "package-lock.json").read_bytes(), fill)


def python_environment(requirements: Path, python: Path) -> Path:
    """Return the interpreter of an environment with hashed requirements; make it on first use.

    Args:
        requirements: a file for ``pip install --require-hashes``.
        python: the interpreter that the environment is made with.
    """

    def fill(draft: Path) -> None:
        own = draft / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "venv", "--without-pip", own.parents[1]], check=True)
        done = subprocess.run(
            [
                python,
                "-m",
                "pip",
                "--python",
                own,
                "install",
                "-q",
                "--require-hashes",
                "-r",
                requirements,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    content = requirements.read_bytes() + str(python).encode()
    return _installed(requirements.stem, content, fill) / "venv" / "bin" / "python"


def python_packages(requirements: Path) -> Path:
    """Return a folder with hashed requirements for this Python; install them on first use.

    Args:
        requirements: a file for ``pip install --require-hashes``. What they depend on is not added.
    """

    def fill(draft: Path) -> None:
        options = ["-q", "--no-deps", "--require-hashes", f"--target={draft / 'packages'}"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, "-r", requirements],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    content = requirements.read_bytes() + sys.version.encode()
    return _installed(requirements.parent.name, content, fill) / "packages"


def _installed(title: str, content: bytes, fill: Callable[[Path], None]) -> Path:
    """Return the folder that belongs to the content; create it atomically if it is missing."""
    shelf = platformdirs.user_cache_path("facedex") / "tests"
    folder = shelf / f"{title}-{sha256(content).hexdigest()[:16]}"
    if not folder.exists():
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf) as draft:
            fill(Path(draft))
            try:
                Path(draft).rename(folder)
            except OSError:
                if not folder.exists():  # as another session of tests has installed it meanwhile
                    raise
            else:
                Path(draft).mkdir()  # the end of the block removes a folder of this name
    return folder
