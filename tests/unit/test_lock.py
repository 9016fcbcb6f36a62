"""constraints.txt and requirements/*.txt are what ``make lock`` writes from pyproject.toml.

These tests need no network. They fail after a change of pyproject.toml that was not followed by
``make lock``, and when a pin was edited by hand in one file only.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# The extras of each file.
LOCKED = {"local": ("local",), "test": ("test",), "infra": ("infra",), "dev": ("dev",)}
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def _pins(text: str) -> dict[str, list[Requirement]]:
    """Return the pinned requirements by name; some have one version for each Python."""
    found: dict[str, list[Requirement]] = {}
    for line in text.replace("\\\n", "").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line.split("--hash")[0])
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def _read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def _needed(extras: set[str]) -> Iterator[Requirement]:
    """The requirements of the product with extras, those of our own extras resolved."""
    lists = [PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]["build"]]
    optional = PROJECT["project"]["optional-dependencies"]
    for requirement in map(Requirement, [text for each in lists for text in each]):
        yield requirement
    waiting, seen = list(extras), set[str]()
    while waiting:
        if (extra := waiting.pop()) in seen:
            continue
        seen.add(extra)
        for requirement in map(Requirement, optional[extra]):
            if requirement.name == "facedex":
                waiting.extend(requirement.extras)
            else:
                yield requirement


def _unpinned(requirement: Requirement, pins: dict[str, list[Requirement]]) -> str | None:
    """Return a sentence if no pin satisfies a requirement."""
    versions = [
        next(iter(pin.specifier)).version
        for pin in pins.get(canonicalize_name(requirement.name), [])
    ]
    if versions and all(requirement.specifier.contains(each, True) for each in versions):
        return None
    return f"{requirement} is pinned as {versions or 'nothing'}"


@pytest.mark.parametrize("name", LOCKED)
def test_requirements_satisfy_pyproject(name: str) -> None:
    pins = _pins(_read(f"requirements/{name}.txt"))
    wrong = [text for each in _needed(set(LOCKED[name])) if (text := _unpinned(each, pins))]
    assert not wrong, f"run make lock: {wrong}"


def test_constraints_satisfy_every_extra() -> None:
    pins = _pins(_read("constraints.txt"))
    extras = set(PROJECT["project"]["optional-dependencies"])
    wrong = [text for each in _needed(extras) if (text := _unpinned(each, pins))]
    assert not wrong, f"run make lock: {wrong}"


# The dependency groups of each file.
APART = {"release": ("release", "build"), "sam": ("sam",), "emulator": ("emulator",)}


@pytest.mark.parametrize(("name", "names"), APART.items())
def test_requirements_of_other_environments_satisfy_their_groups(
    name: str, names: tuple[str, ...]
) -> None:
    pins = _pins(_read(f"requirements/{name}.txt"))
    groups = PROJECT["dependency-groups"]
    needed = [Requirement(text) for group in names for text in groups[group]]
    wrong = [text for each in needed if (text := _unpinned(each, pins))]
    assert not wrong, f"run make lock: {wrong}"


def test_the_build_group_repeats_the_build_requirements() -> None:
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]


@pytest.mark.parametrize("name", LOCKED)
def test_requirements_of_pinned_packages_are_pinned_too(name: str) -> None:
    pins = _pins(_read(f"requirements/{name}.txt"))
    missing: set[str] = set()
    for pinned in pins:
        try:
            texts = requires(pinned) or []
        except PackageNotFoundError:
            continue  # for another platform, or of an extra that is not installed here
        for requirement in map(Requirement, texts):
            holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if holds and canonicalize_name(requirement.name) not in pins:
                missing.add(f"{requirement.name} for {pinned}")
    assert not missing, f"run make lock: {missing}"


@pytest.mark.parametrize("name", LOCKED)
def test_hashed_requirements_have_the_versions_of_the_constraints(name: str) -> None:
    constraints = _pins(_read("constraints.txt"))
    for package, pins in _pins(_read(f"requirements/{name}.txt")).items():
        allowed = {str(pin.specifier) for pin in constraints[package]}
        assert {str(pin.specifier) for pin in pins} <= allowed, package


def _files() -> list[str]:
    return [
        "constraints.txt",
        *(f"requirements/{each.name}" for each in (ROOT / "requirements").iterdir()),
    ]


def test_the_lock_has_the_files_that_these_tests_know() -> None:
    known = {f"requirements/{name}.txt" for name in (*LOCKED, *APART)}
    assert set(_files()) == {"constraints.txt", *known}
    written = set(re.findall(r" -o (\S+)", _read("Makefile")))
    assert written == set(_files())


@pytest.mark.parametrize("name", _files())
def test_every_requirement_has_a_hash_and_no_address(name: str) -> None:
    text = _read(name)
    assert "://" not in text
    assert "index-url" not in text
    for line in text.replace("\\\n", "").splitlines():
        if line and not line.startswith("#"):
            assert "==" in line, line
            assert _HASH.search(line), line


@pytest.mark.parametrize("name", LOCKED)
def test_a_distribution_has_the_same_hashes_in_every_file(name: str) -> None:
    expected = _hashes("constraints.txt")
    assert {pin: expected[pin] for pin in _hashes(f"requirements/{name}.txt")} == _hashes(
        f"requirements/{name}.txt"
    )


def test_the_layers_wheels_are_among_the_hashes_of_the_constraints() -> None:
    expected = _hashes("constraints.txt")
    wheels = tomllib.loads(_read("infra/packages/wheels.toml"))
    assert wheels
    for pin, digests in wheels.items():
        assert set(digests) <= expected[pin], pin


_INSTALLS = re.compile(r"\bpip\b[^\n`]*\binstall\b[^\n]*")
# What a command installs is checked by hashes, or is this project itself.
_CHECKED = ("--require-hashes", "--no-deps")


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/deploy.md",
        "CONTRIBUTING.md",
        "Makefile",
        ".ci/run",
        ".ci/checks",
        ".ci/packages",
        "Dockerfile",
    ],
)
def test_every_command_that_installs_checks_hashes(name: str) -> None:
    unchecked = [
        command
        for command in _INSTALLS.findall(_read(name))
        if not any(option in command for option in _CHECKED)
    ]
    assert not unchecked


def test_pip_refuses_a_distribution_with_another_hash_than_the_constraints(tmp_path: Path) -> None:
    (pin,) = _pins(_read("constraints.txt"))["idna"]
    version = next(iter(pin.specifier)).version
    (tmp_path / f"idna-{version}-py3-none-any.whl").write_bytes(b"another file of this name")
    command = [sys.executable, "-m", "pip", "download", "--isolated", "--no-index", "--no-deps"]
    command += [f"--find-links={tmp_path}", f"--constraint={ROOT / 'constraints.txt'}"]
    run = subprocess.run(
        [*command, f"--dest={tmp_path / 'taken'}", "idna"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode
    assert "DO NOT MATCH THE HASHES" in run.stderr


def _hashes(name: str) -> dict[str, set[str]]:
    """Return the SHA-256 digests of a file's pins, by ``name==version``."""
    lines = _read(name).replace("\\\n", "").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    return {
        re.split(r" (?:;|--hash)", line)[0].strip(): set(re.findall(r"sha256:([0-9a-f]{64})", line))
        for line in pinned
    }
