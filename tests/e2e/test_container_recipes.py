"""The recipes of docs/recipes.md that need Docker are right up to the point where they ask for it.

No container is started, whether or not this machine has Docker: both clients are given an address
at which there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_recipes import recipe
from tests.tools import npm_packages, python_packages

_HERE = Path(__file__).with_name("containers")
_NO_DOCKER = {"DOCKER_HOST": "unix:///nonexistent", "TESTCONTAINERS_RYUK_DISABLED": "true"}


@pytest.fixture(scope="module")
def python_path() -> Path:
    """Return a folder with Testcontainers for Python; the tests have what it needs."""
    return python_packages(_HERE / "requirements.txt")


@pytest.fixture
def python_recipe(tmp_path: Path) -> Path:
    ((name, text),) = recipe("Testcontainers for Python").items()
    (tmp_path / name).write_text(text)
    return tmp_path / name


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER")}
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, **_NO_DOCKER, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_the_recipe_for_python_has_the_types_of_its_library(
    python_recipe: Path, python_path: Path
) -> None:
    options = ["--strict", "--follow-imports=silent", "--no-incremental", "--config-file="]
    done = run(
        [sys.executable, "-m", "mypy", *options, python_recipe.name],
        python_recipe.parent,
        MYPYPATH=str(python_path),
    )
    assert done.returncode == 0, done.stdout


def test_the_recipe_for_python_asks_for_docker(python_recipe: Path, python_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:facedex"]
    done = run(command, python_recipe.parent, PYTHONPATH=str(python_path))
    assert "1 error" in done.stdout
    assert "DockerException: Error while fetching server API version" in done.stdout


def test_the_recipe_for_node_asks_for_docker(tmp_path: Path) -> None:
    modules = npm_packages(_HERE) / "node_modules"
    ((name, text),) = recipe("Testcontainers for Node.js").items()
    (tmp_path / name).write_text(text)
    shutil.copy(_HERE / "package.json", tmp_path)  # it makes the file a module
    (tmp_path / "node_modules").symlink_to(modules)
    done = run(["node", "--test"], tmp_path, HOME=str(tmp_path))
    assert "Could not find a working container runtime strategy" in done.stdout, done.stdout
