"""Distributions from the package index, for the target's platform and Python.

The user's own pip fetches them, with the user's settings: index, mirror, proxy, certificates,
credentials. pip chooses wheels for other platforms than its own; only the markers of the pins are
evaluated here, as pip would evaluate them for the Python that it runs on.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from facedex_models.package_index import explain, run_pip
from infra.packages.targets import PackageError, Target

CONSTRAINTS: Final = Path(__file__).parents[2] / "constraints.txt"
WHEELS: Final = Path(__file__).with_name("wheels.toml")
_NO_WHEEL: Final = re.compile(r"No matching distribution found for (\S+)")


def pins(names: Sequence[str], target: Target) -> list[str]:
    """Return the pins of distributions, ``name==version``, that apply to the target.

    Raises:
        PackageError: if constraints.txt does not pin one of them.
    """
    pinned = _read_pins(target)
    missing = [name for name in names if name not in pinned]
    if missing:
        raise PackageError(
            f"{CONSTRAINTS.name} pins no version of {', '.join(missing)} for Python"
            f" {target.python}; add one."
        )
    return [pinned[name] for name in names]


def pip_options(target: Target) -> list[str]:
    """Return pip's options for wheels of the target, without their dependencies."""
    return [
        "--no-deps",
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={target.python}",
        *(f"--platform={name}" for name in target.platforms),
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "--root-user-action=ignore",
    ]


def locked(requirements: Sequence[str]) -> list[str]:
    """Return the lines of a requirements file with the hashes of the recorded wheels.

    Args:
        requirements: ``name==version``.

    Raises:
        PackageError: if the table of wheels lacks one of them.
    """
    table = tomllib.loads(WHEELS.read_text("utf-8"))
    if missing := [each for each in requirements if each not in table]:
        raise PackageError(
            f"{WHEELS.name} has no wheel of {', '.join(missing)}; after a change of"
            f" {CONSTRAINTS.name} run python -m infra.packages.locking, and review what changes."
        )
    return [
        " ".join([each, *(f"--hash=sha256:{digest}" for digest in table[each])])
        for each in requirements
    ]


def install(requirements: Iterable[str], target: Target, folder: Path, *, scratch: Path) -> None:
    """Install wheels for the target into a folder, without building or running any code.

    Args:
        requirements: lines of a requirements file with hashes; nothing that they need is added.
        scratch: an empty folder for pip to work in.

    Raises:
        PackageError: if there is no network, no wheel for the target, or a wheel with another hash.
    """
    wanted = scratch / "requirements.txt"
    wanted.write_text("".join(f"{line}\n" for line in requirements), "utf-8")
    lines, status = run_pip(
        [
            "install",
            "--no-compile",
            "--require-hashes",
            f"--target={folder}",
            f"--requirement={wanted}",
            *pip_options(target),
        ],
        temporary=scratch,
    )
    if not status:
        return
    if found := _NO_WHEEL.search("\n".join(lines)):
        raise PackageError(
            f"The package index has no wheel of {found[1]} for Python {target.python} on"
            f" {target.architecture}; choose another Python version or architecture, or another"
            f" version in {CONSTRAINTS.name}."
        )
    if "DO NOT MATCH THE HASHES" in "\n".join(lines):
        raise PackageError(
            f"A wheel from the package index does not have the hash in {WHEELS.name}; it was not"
            " used. Check where pip downloads from (pip config list)."
        )
    raise PackageError(f"The packages could not be downloaded: {explain(lines)}, then try again.")


def unmet(folder: Path, target: Target, *, given: Iterable[str]) -> dict[str, list[str]]:
    """Return the dependencies of installed distributions on the target that are not given.

    Returns:
        the distributions that need it, by the name of the missing dependency.
    """
    there = {canonicalize_name(name) for name in given}
    missing: dict[str, list[str]] = {}
    for distribution in distributions(path=[str(folder)]):
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if (
                _holds(requirement, target.markers)
                and canonicalize_name(requirement.name) not in there
            ):
                missing.setdefault(requirement.name, []).append(distribution.name)
    return missing


def _read_pins(target: Target) -> Mapping[str, str]:
    # A pin's hashes follow on lines of their own, each after a backslash.
    lines = CONSTRAINTS.read_text("utf-8").replace("\\\n", "").splitlines()
    written = (
        Requirement(line.partition(" --hash=")[0])
        for line in lines
        if line and not line.startswith("#")
    )
    return {
        canonicalize_name(pin.name): f"{pin.name}{pin.specifier}"
        for pin in written
        if _holds(pin, target.markers)
    }


def _holds(requirement: Requirement, markers: Mapping[str, str]) -> bool:
    if requirement.marker is None:
        return True
    try:
        return requirement.marker.evaluate(dict(markers))
    except UndefinedEnvironmentName:
        return False
