"""Installation of model packs on this machine: complete, or not at all."""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs
from filelock import FileLock

from facedex_models import placing
from facedex_models.converting import convert
from facedex_models.fetching import Progress, fetch_member, silent
from facedex_models.manifests import (
    ATTRIBUTES,
    DEFAULT,
    PackManifest,
    described,
    packs,
)
from facedex_models.model_errors import (
    DamagedPack,
    FetchFailed,
    LicenceNotAccepted,
    ModelError,
    StorageFailed,
)
from facedex_models.networks import Network, read_ranges
from facedex_models.pack_files import MANIFEST, SUMS, check, read_files, sync, write
from facedex_models.storage import storing

# File with the licence terms that the user has accepted, as in the manifest.
_ACCEPTED = "LICENCE-ACCEPTED"
# The user's own calibration, which is valid for the vectors of one version of the pack.
_CALIBRATION = "calibration.toml"


def models_directory() -> Path:
    """Return the directory of pulled packs: FACEDEX_MODELS, or else the user's cache directory."""
    chosen = os.environ.get("FACEDEX_MODELS")
    # A file of settings, unlike a shell, leaves the tilde to its reader.
    return (
        Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("facedex") / "models"
    )


def installed(name: str, *, directory: Path | None = None) -> Path | None:
    """Return a pulled pack's directory, or None if it has not been pulled.

    Raises:
        UnknownPack: if there is no pack of that name.
    """
    wanted = described(name)
    pack = (directory or models_directory()) / wanted.name
    complete = all((pack / file).is_file() for file in (MANIFEST, SUMS, *wanted.files))
    return pack if complete else None


def installed_release(name: str, *, directory: Path | None = None) -> str | None:
    """Return the version of a pulled pack, which may differ from this release's, or None.

    Raises:
        UnknownPack: if there is no pack of that name.
        DamagedPack: if the pulled pack's manifest cannot be read.
    """
    pack = installed(name, directory=directory)
    if pack is None:
        return None
    try:
        return described(name).reread((pack / MANIFEST).read_text("utf-8")).release
    except (OSError, UnicodeDecodeError, ModelError) as error:
        raise DamagedPack(
            f"{pack / MANIFEST} is damaged; fetch it again with: facedex models pull {name}"
        ) from error


def current(wanted: PackManifest, *, directory: Path | None = None) -> Path | None:
    """Return a pulled pack's directory if it matches the manifest and its files are unchanged.

    Returns:
        The directory, or None if the pack has to be pulled, for the first time or again. The
        networks are not loaded.
    """
    pack = (directory or models_directory()) / wanted.name
    try:
        if (pack / MANIFEST).read_bytes() != wanted.text.encode():
            return None
        read_files(pack, wanted)
    except (OSError, DamagedPack):
        return None
    return pack


def pull(
    name: str = DEFAULT,
    *,
    directory: Path | None = None,
    progress: Progress = silent,
    accept_licence: bool = False,
) -> Path:
    """Fetch, convert and store a pack unless it is installed and valid; return its directory.

    A licence that forbids commercial use has to be accepted once; the pulled pack records it.

    Raises:
        ModelError: or one of its subclasses: UnknownPack, LicenceNotAccepted, FetchFailed,
            WrongHash, StorageFailed.
    """
    return install(
        described(name), directory=directory, progress=progress, accept_licence=accept_licence
    )


def is_accepted(wanted: PackManifest, *, directory: Path | None = None) -> bool:
    """Return whether the user has accepted the manifest's licence for the pulled pack."""
    record = (directory or models_directory()) / wanted.name / _ACCEPTED
    return record.is_file() and record.read_text("utf-8") == f"{wanted.terms}\n"


def install(
    wanted: PackManifest,
    *,
    directory: Path | None = None,
    progress: Progress = silent,
    accept_licence: bool = False,
) -> Path:
    """Install a pack as :func:`pull` does, from any manifest."""
    directory = directory or models_directory()
    free = wanted.commercial_use or is_accepted(wanted, directory=directory)
    if not (free or accept_licence):
        raise LicenceNotAccepted(
            f"The model pack {wanted.name} is not for commercial use. Its licence is: "
            f"{wanted.terms}; read it, and if you accept it run: facedex models pull {wanted.name} "
            "--accept-license"
        )
    try:
        with storing(directory):
            directory.mkdir(parents=True, exist_ok=True)
            with FileLock(directory / f".{wanted.name}.lock"):
                return _install(wanted, directory, progress, accepted=not free)
    except StorageFailed:
        # A directory that only its owner can write to, as in an image, may hold the pack.
        if free and (pack := current(wanted, directory=directory)):
            return pack
        raise


def _install(wanted: PackManifest, directory: Path, progress: Progress, *, accepted: bool) -> Path:
    """Install a pack as the holder of its lock.

    Args:
        wanted: its manifest.
        directory: the directory of pulled packs.
        progress: see :func:`pull`.
        accepted: whether the user has accepted the licence with this call.
    """
    pack = directory / wanted.name
    placing.remove_stale(directory, wanted.name)
    if _has_networks(pack, wanted):
        _describe(pack, wanted)
        if accepted:
            _record_acceptance(pack, wanted)
        return pack
    downloads = directory / f".{wanted.name}.downloads"
    partial = placing.partial(directory, wanted.name)
    try:
        _fill(partial, wanted, progress, downloads)
        if not wanted.commercial_use:
            _record_acceptance(partial, wanted)
        _keep_calibration(pack, partial, wanted)
        placing.put_in_place(partial, pack)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # it does not exist, or contains downloads to continue
            downloads.rmdir()
    # Kept until now, so that an interrupted pull can be continued.
    shutil.rmtree(downloads, ignore_errors=True)
    return pack


def refresh(*, directory: Path | None = None) -> None:
    """Update the manifests of all pulled packs whose networks are still current.

    Raises:
        StorageFailed: if a manifest cannot be written.
    """
    directory = directory or models_directory()
    for name in (*packs(), ATTRIBUTES):
        wanted = described(name)
        if installed(name, directory=directory) and not current(wanted, directory=directory):
            with storing(directory), FileLock(directory / f".{name}.lock"):
                if _has_networks(directory / name, wanted):
                    _describe(directory / name, wanted)


def verify(name: str = DEFAULT, *, directory: Path | None = None) -> Path:
    """Check a pulled pack's files against their recorded hashes, and that they load.

    Returns:
        The pack's directory.

    Raises:
        UnknownPack: if there is no pack of that name.
        DamagedPack: if the pack is missing or damaged.
    """
    pack = installed(name, directory=directory)
    if pack is None:
        raise DamagedPack(
            f"The model pack {name} is not in {directory or models_directory()}; fetch it with: "
            f"facedex models pull {name}"
        )
    check(pack, described(name))
    return pack


def _has_networks(pack: Path, wanted: PackManifest) -> bool:
    """Return whether the pulled pack has the manifest's networks and is valid."""
    try:
        present = wanted.reread((pack / MANIFEST).read_text("utf-8"))
        check(pack, wanted)
    except (OSError, UnicodeDecodeError, ModelError):
        return False
    return (present.release, present.networks, present.tables) == (
        wanted.release,
        wanted.networks,
        wanted.tables,
    )


def _describe(pack: Path, wanted: PackManifest) -> None:
    """Update pack.toml: a new calibration, for example, needs no new download."""
    if (pack / MANIFEST).read_text("utf-8") == wanted.text:
        return
    fresh = pack / f".{MANIFEST}"
    write(fresh, wanted.text.encode())
    fresh.replace(pack / MANIFEST)
    sync(pack)


def _record_acceptance(pack: Path, wanted: PackManifest) -> None:
    write(pack / _ACCEPTED, f"{wanted.terms}\n".encode())


def _keep_calibration(pack: Path, partial: Path, wanted: PackManifest) -> None:
    """Copy the user's calibration to the new pack if its vectors stay the same."""
    try:
        present = wanted.reread((pack / MANIFEST).read_text("utf-8"))
        own = (pack / _CALIBRATION).read_bytes()
    except (OSError, UnicodeDecodeError, ModelError):
        return
    if present.release == wanted.release:
        write(partial / _CALIBRATION, own)


def _fill(partial: Path, wanted: PackManifest, progress: Progress, downloads: Path) -> None:
    partial.mkdir()
    sums = []

    def add(file: str, content: bytes) -> None:
        write(partial / file, content)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {file}\n")

    for _, networks in itertools.groupby(wanted.networks, lambda network: network.source.address):
        with tempfile.TemporaryDirectory(prefix=".releases-", dir=partial) as releases:
            for network in networks:
                published = _fetch(network, progress, partial, downloads, Path(releases))
                add(network.file, convert(network, published))
    for table in wanted.tables:
        add(table.copied, read_ranges(table))
    write(partial / SUMS, "".join(sums).encode())
    write(partial / MANIFEST, wanted.text.encode())
    check(partial, wanted)
    sync(partial)


def _fetch(
    network: Network, progress: Progress, scratch: Path, kept: Path, releases: Path
) -> bytes:
    """Return the network's file from its source, or from the alternative if it has one."""
    fetch = functools.partial(
        fetch_member, progress=progress, scratch=scratch, kept=kept, releases=releases
    )
    try:
        return fetch(network.source)
    except FetchFailed as error:
        if network.alternative is None:
            raise
        try:
            return fetch(network.alternative)
        except FetchFailed as other:
            raise FetchFailed(f"{error} The second source failed too: {other}") from other
