"""Packs on this machine: pulled into place whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import platformdirs
from filelock import FileLock

from facedex_models.converting import convert
from facedex_models.errors import DamagedPack, FetchFailed, LicenceNotAccepted, ModelError
from facedex_models.fetching import Progress, fetch_member, silent
from facedex_models.manifests import (
    DEFAULT,
    Manifest,
    Network,
    manifest,
    packs,
    parse,
)
from facedex_models.pack_files import MANIFEST, SUMS, check, read_networks, sync, write
from facedex_models.storage import storing

# What the user has agreed to, in the words of the manifest.
_ACCEPTED = "LICENCE-ACCEPTED"
# The user's own calibration: it belongs to the vectors of one version of the pack.
_CALIBRATION = "calibration.toml"


def models_directory() -> Path:
    """Return where pulled packs are: FACEDEX_MODELS, else the user's cache directory."""
    chosen = os.environ.get("FACEDEX_MODELS")
    return Path(chosen) if chosen else platformdirs.user_cache_path("facedex") / "models"


def installed(name: str, *, directory: Path | None = None) -> Path | None:
    """Return the pulled pack's directory, or None where it was not pulled.

    Raises UnknownPack.
    """
    wanted = manifest(name)
    pack = (directory or models_directory()) / wanted.name
    files = MANIFEST, SUMS, *(network.file for network in wanted.networks)
    complete = all((pack / file).is_file() for file in files)
    return pack if complete else None


def current(wanted: Manifest, *, directory: Path | None = None) -> Path | None:
    """Return the pulled pack's directory where it is this manifest's and as it was pulled.

    None where it has to be pulled, for the first time or again. The networks are not loaded.
    """
    pack = (directory or models_directory()) / wanted.name
    try:
        if (pack / MANIFEST).read_bytes() != wanted.text.encode():
            return None
        read_networks(pack, wanted)
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
    """Fetch, convert and store a pack unless it is there and sound; return its directory.

    A licence that forbids commercial use has to be accepted once; the pulled pack remembers it.

    Raises ModelError, or one of its subclasses: UnknownPack, LicenceNotAccepted, FetchFailed,
    WrongHash, StorageFailed.
    """
    return install(
        manifest(name), directory=directory, progress=progress, accept_licence=accept_licence
    )


def is_accepted(wanted: Manifest, *, directory: Path | None = None) -> bool:
    """Return whether the pulled pack was taken under the licence that the manifest names."""
    record = (directory or models_directory()) / wanted.name / _ACCEPTED
    return record.is_file() and record.read_text("utf-8") == f"{wanted.terms}\n"


def install(
    wanted: Manifest,
    *,
    directory: Path | None = None,
    progress: Progress = silent,
    accept_licence: bool = False,
) -> Path:
    """Do what pull does, for a manifest that need not be one of those shipped."""
    directory = directory or models_directory()
    pack = directory / wanted.name
    free = wanted.commercial_use or is_accepted(wanted, directory=directory)
    if not (free or accept_licence):
        raise LicenceNotAccepted(
            f"The model pack {wanted.name} is not for commercial use. Its licence is: "
            f"{wanted.terms}; read it, and if you accept it run: facedex models pull {wanted.name} "
            "--accept-license"
        )
    with storing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f".{wanted.name}.lock"):
            # Whoever holds the lock is the only puller: what lies about was left by killed ones.
            for stale in directory.glob(f".{wanted.name}-*.partial"):
                shutil.rmtree(stale, ignore_errors=True)
            if _has_networks(pack, wanted):
                _describe(pack, wanted)
                if not free:
                    _record_acceptance(pack, wanted)
                return pack
            downloads = directory / f".{wanted.name}.downloads"
            partial = _partial(directory, wanted.name)
            try:
                _fill(partial, wanted, progress, downloads)
                if not wanted.commercial_use:
                    _record_acceptance(partial, wanted)
                _keep_calibration(pack, partial, wanted)
                _put_in_place(partial, pack)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
                with suppress(OSError):  # it is not there, or holds what can be continued
                    downloads.rmdir()
            # Until here they stay, so that a pull that breaks off can be continued.
            shutil.rmtree(downloads, ignore_errors=True)
    return pack


def refresh(*, directory: Path | None = None) -> None:
    """Bring the manifests of all pulled packs up to date, as far as that takes no download.

    Raises StorageFailed.
    """
    directory = directory or models_directory()
    for name in packs():
        wanted = manifest(name)
        if installed(name, directory=directory) and not current(wanted, directory=directory):
            with storing(directory), FileLock(directory / f".{name}.lock"):
                if _has_networks(directory / name, wanted):
                    _describe(directory / name, wanted)


def verify(name: str = DEFAULT, *, directory: Path | None = None) -> Path:
    """Check a pulled pack's files against their recorded hashes, and that they load.

    Returns its directory. Raises UnknownPack, or DamagedPack where the pack is absent or unsound.
    """
    pack = installed(name, directory=directory)
    if pack is None:
        raise DamagedPack(
            f"The model pack {name} is not in {directory or models_directory()}; fetch it with: "
            f"facedex models pull {name}"
        )
    check(pack, manifest(name))
    return pack


def _partial(directory: Path, name: str) -> Path:
    return directory / f".{name}-{uuid4().hex}.partial"


def _has_networks(pack: Path, wanted: Manifest) -> bool:
    """Return whether the pack was pulled from the sources now wanted and is sound."""
    try:
        present = parse((pack / MANIFEST).read_text("utf-8"), number=wanted.number)
        check(pack, wanted)
    except (OSError, UnicodeDecodeError, ModelError):
        return False
    return (present.model_version, present.networks) == (wanted.model_version, wanted.networks)


def _describe(pack: Path, wanted: Manifest) -> None:
    """Bring pack.toml up to date: a new calibration needs no new download."""
    if (pack / MANIFEST).read_text("utf-8") == wanted.text:
        return
    fresh = pack / f".{MANIFEST}"
    write(fresh, wanted.text.encode())
    fresh.replace(pack / MANIFEST)
    sync(pack)


def _record_acceptance(pack: Path, wanted: Manifest) -> None:
    write(pack / _ACCEPTED, f"{wanted.terms}\n".encode())


def _keep_calibration(pack: Path, partial: Path, wanted: Manifest) -> None:
    """Take the user's calibration over where the vectors stay the same."""
    try:
        present = parse((pack / MANIFEST).read_text("utf-8"), number=wanted.number)
        own = (pack / _CALIBRATION).read_bytes()
    except (OSError, UnicodeDecodeError, ModelError):
        return
    if present.model_version == wanted.model_version:
        write(partial / _CALIBRATION, own)


def _fill(partial: Path, wanted: Manifest, progress: Progress, downloads: Path) -> None:
    partial.mkdir()
    sums = []
    for network in wanted.networks:
        content = convert(network, _fetch(network, progress, partial, downloads))
        write(partial / network.file, content)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {network.file}\n")
    write(partial / SUMS, "".join(sums).encode())
    write(partial / MANIFEST, wanted.text.encode())
    check(partial, wanted)
    sync(partial)


def _fetch(network: Network, progress: Progress, scratch: Path, kept: Path) -> bytes:
    """Return the network's file from its source, or from the alternative if it has one."""
    try:
        return fetch_member(network.source, progress=progress, scratch=scratch, kept=kept)
    except FetchFailed as error:
        if network.alternative is None:
            raise
        try:
            return fetch_member(network.alternative, progress=progress, scratch=scratch, kept=kept)
        except FetchFailed as other:
            raise FetchFailed(f"{error} The second source failed too: {other}") from other


def _put_in_place(partial: Path, pack: Path) -> None:
    if pack.exists():
        # A directory cannot be renamed onto one that holds files. Killed between the two renames,
        # this leaves no pack, and the next pull sweeps the old one away.
        old = _partial(pack.parent, pack.name)
        pack.rename(old)
        partial.rename(pack)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(pack)
    sync(pack.parent)
