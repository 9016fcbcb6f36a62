"""constraints.txt and requirements/*.txt are what ``make lock`` writes from pyproject.toml.

These tests need no network. They fail after a change of pyproject.toml that was not followed by
``make lock``, and when a pin was edited by hand in one file only.
"""

from __future__ import annotations

import re
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
LOCKED = {"local": ("local",), "test": ("test",), "dev": ("dev",)}  # file: extras
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


def test_release_requirements_satisfy_their_groups() -> None:
    pins = _pins(_read("requirements/release.txt"))
    groups = PROJECT["dependency-groups"]
    needed = [Requirement(text) for name in ("release", "build") for text in groups[name]]
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


@pytest.mark.parametrize("name", [*LOCKED, "release"])
def test_every_requirement_has_a_hash_and_no_address(name: str) -> None:
    text = _read(f"requirements/{name}.txt")
    assert "://" not in text
    assert "index-url" not in text
    for line in text.replace("\\\n", "").splitlines():
        if line and not line.startswith("#"):
            assert "==" in line, line
            assert _HASH.search(line), line
