"""A Python for arm64 that runs on x86_64: Debian's packages, unpacked, under QEMU's user mode.

Nothing is installed: apt works in a folder of its own, with a list of packages of its own, and does
not need root. Debian's signatures are checked with the keys that this machine trusts already.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs
import pytest

from infra.packages import Target
from infra.packages.distributions import install
from tests.packages import lambda_service

_MIRROR: Final = "http://deb.debian.org/debian"
# The suite that has Python 3.14, the default of deployments, and QEMU as one static file.
_SUITE: Final = "forky"
_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# apt adds what they depend on. The C++ library is for the wheels; Lambda's image has it too.
_PYTHON: Final = ("python{version}-minimal", "libpython{version}-stdlib", "libstdc++6")
_EMULATOR: Final = "./usr/bin/qemu-aarch64"
# The core of Graviton2, which Lambda's arm64 functions run on. QEMU's default, "max", has matrices
# (SME) of another size than NumPy's OpenBLAS expects, and its products are wrong.
_PROCESSOR: Final = "neoverse-n1"
_PATIENCE: Final = 300.0  # seconds for a command of apt


@dataclass(frozen=True, slots=True)
class ForeignPython:
    """An interpreter of the other architecture.

    Attributes:
        command: the words that start it on this machine.
        runtime: a folder with AWS's runtime client for it.
    """

    command: tuple[str, ...]
    runtime: Path


def foreign_python(target: Target) -> ForeignPython:
    """Return the interpreter of a target for arm64; download it on first use, or skip the test."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("the packages for arm64 are emulated on Linux on x86_64 only")
    if missing := [name for name in ("apt-get", "dpkg-deb", "tar") if not shutil.which(name)]:
        pytest.skip(f"QEMU and Python for arm64 come from Debian, and {missing[0]} is not here")
    if not _KEYS.is_file():
        pytest.skip(f"Debian's packages cannot be verified without {_KEYS}")
    shelf = platformdirs.user_cache_path("facedex") / "tests"
    folder = shelf / f"arm64-python{target.python}-{_SUITE}"
    if not folder.is_dir():
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf) as draft:
            _fill(Path(draft), target)
            Path(draft).rename(folder)
            Path(draft).mkdir()  # the end of the block removes a folder of this name
    system = folder / "system"
    interpreter = system / "usr" / "bin" / f"python{target.python}"
    emulator = (str(folder / "qemu-aarch64"), "-cpu", _PROCESSOR, "-L", str(system))
    return ForeignPython((*emulator, str(interpreter)), folder / "runtime")


def _fill(folder: Path, target: Target) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        (qemu,) = _download(["download", "qemu-user"], "amd64", Path(scratch, "amd64"))
        tar = ["tar", "--extract", "--strip-components=3", f"--directory={folder}", _EMULATOR]
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", qemu], stdout=subprocess.PIPE) as deb:
            subprocess.run(tar, stdin=deb.stdout, check=True)
        system = folder / "system"
        (system / "usr" / "lib").mkdir(parents=True)
        (system / "lib").symlink_to("usr/lib")  # as on every Debian, where the loader is in /lib
        names = [name.format(version=target.python) for name in _PYTHON]
        only = ["install", "--download-only", "--yes", "--no-install-recommends"]
        for package in _download([*only, *names], "arm64", Path(scratch, "arm64")):
            subprocess.run(["dpkg-deb", "--extract", package, system], check=True)
        wheels = Path(scratch, "wheels")
        wheels.mkdir()
        install(lambda_service.runtime_pins(), target, folder / "runtime", scratch=wheels)


def _download(words: list[str], architecture: str, folder: Path) -> list[Path]:
    """Download packages of the suite, with an apt that knows nothing of this machine's packages.

    Args:
        words: a command of apt-get.
    """
    for part in ("state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "state" / "status").touch()
    (folder / "sources.list").write_text(
        f"deb [arch={architecture} signed-by={_KEYS}] {_MIRROR} {_SUITE} main\n", "utf-8"
    )
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state" / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",  # which may write to this folder
        "Debug::NoLocking": 1,  # of this machine's packages, which only root may lock
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    for command in (["update"], words):
        done = subprocess.run(
            ["apt-get", "-q", *options, *command],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        # A mirror that cannot be reached is only a warning of apt's to "update".
        said = f"{done.stdout}{done.stderr}"
        if "Failed to fetch" in said or "Could not resolve" in said:
            pytest.skip(f"Debian's mirror cannot be reached: {said[-300:]}")
        assert done.returncode == 0, said
    return sorted((*folder.glob("*.deb"), *(folder / "cache" / "archives").glob("*.deb")))
