"""Packs on this machine: pulled into place whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import onnxruntime
import platformdirs
from filelock import FileLock

from facedex_models import centerface_to_dynamic, dlib_to_onnx, sface
from facedex_models.errors import DamagedPack, FetchFailed, LicenceNotAccepted, ModelError
from facedex_models.fetching import Progress, fetch_member, silent
from facedex_models.manifests import (
    DEFAULT,
    Manifest,
    Network,
    manifest,
    packs,
    parse,
    read_ranges,
)
from facedex_models.quantising import quantise, read_measured
from facedex_models.storage import storing


def _as_published(data: bytes) -> bytes:
    return data


# How the file of each kind of network becomes the ONNX file that the vision package runs.
CONVERTERS: Mapping[str, Callable[[bytes], bytes]] = {
    "centerface": centerface_to_dynamic.convert,
    "dlib-resnet": dlib_to_onnx.convert,
    "yunet": _as_published,
    "scrfd": _as_published,
    "sface": _as_published,
    "sface-bytes": sface.convert,
    "arcface": _as_published,
}

# How the file becomes a network in 8 bits with what was measured for it, for those kinds that need
# another way than `quantise`.
QUANTISERS: Mapping[str, Callable[[bytes, bytes], bytes]] = {"sface-bytes": sface.quantise}

_MANIFEST = "pack.toml"
# In the format of `sha256sum --check`: the networks as converted here.
_SUMS = "SHA256SUMS"
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
    files = _MANIFEST, _SUMS, *(network.file for network in wanted.networks)
    complete = all((pack / file).is_file() for file in files)
    return pack if complete else None


def current(wanted: Manifest, *, directory: Path | None = None) -> Path | None:
    """Return the pulled pack's directory where it is this manifest's and as it was pulled.

    None where it has to be pulled, for the first time or again. The networks are not loaded.
    """
    pack = (directory or models_directory()) / wanted.name
    try:
        if (pack / _MANIFEST).read_bytes() != wanted.text.encode():
            return None
        _read_networks(pack, wanted)
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
    _check(pack, manifest(name))
    return pack


def _partial(directory: Path, name: str) -> Path:
    return directory / f".{name}-{uuid4().hex}.partial"


def _has_networks(pack: Path, wanted: Manifest) -> bool:
    """Return whether the pack was pulled from the sources now wanted and is sound."""
    try:
        present = parse((pack / _MANIFEST).read_text("utf-8"), number=wanted.number)
        _check(pack, wanted)
    except (OSError, UnicodeDecodeError, ModelError):
        return False
    return (present.model_version, present.networks) == (wanted.model_version, wanted.networks)


def _describe(pack: Path, wanted: Manifest) -> None:
    """Bring pack.toml up to date: a new calibration needs no new download."""
    if (pack / _MANIFEST).read_text("utf-8") == wanted.text:
        return
    fresh = pack / f".{_MANIFEST}"
    _write(fresh, wanted.text.encode())
    fresh.replace(pack / _MANIFEST)
    _sync(pack)


def _record_acceptance(pack: Path, wanted: Manifest) -> None:
    _write(pack / _ACCEPTED, f"{wanted.terms}\n".encode())


def _keep_calibration(pack: Path, partial: Path, wanted: Manifest) -> None:
    """Take the user's calibration over where the vectors stay the same."""
    try:
        present = parse((pack / _MANIFEST).read_text("utf-8"), number=wanted.number)
        own = (pack / _CALIBRATION).read_bytes()
    except (OSError, UnicodeDecodeError, ModelError):
        return
    if present.model_version == wanted.model_version:
        _write(partial / _CALIBRATION, own)


def _fill(partial: Path, wanted: Manifest, progress: Progress, downloads: Path) -> None:
    partial.mkdir()
    sums = []
    for network in wanted.networks:
        content = _convert(network, _fetch(network, progress, partial, downloads))
        _write(partial / network.file, content)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {network.file}\n")
    _write(partial / _SUMS, "".join(sums).encode())
    _write(partial / _MANIFEST, wanted.text.encode())
    _check(partial, wanted)
    _sync(partial)


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


def _convert(network: Network, data: bytes) -> bytes:
    if network.kind not in CONVERTERS:
        raise ModelError(
            f"The manifest names the kind {network.kind!r}; known are: {', '.join(CONVERTERS)}."
        )
    if network.ranges and network.kind in QUANTISERS:
        return QUANTISERS[network.kind](data, read_ranges(network.ranges))
    converted = CONVERTERS[network.kind](data)
    if network.ranges:
        return quantise(converted, *read_measured(read_ranges(network.ranges)))
    return converted


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
    _sync(pack.parent)


def _check(pack: Path, wanted: Manifest) -> None:
    """Raise DamagedPack where a network differs from its recorded hash or does not load."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings are not for users
    for file, content in _read_networks(pack, wanted).items():
        try:
            onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise DamagedPack(f"{pack / file} does not load; {_repair(wanted.name)}") from error


def _read_networks(pack: Path, wanted: Manifest) -> dict[str, bytes]:
    """Return the networks' files; raise DamagedPack where one differs from its recorded hash."""
    repair = _repair(wanted.name)
    try:
        lines = (pack / _SUMS).read_text("utf-8").splitlines()
        recorded = {file: digest for digest, file in (line.split("  ", 1) for line in lines)}
        contents = {network.file: (pack / network.file).read_bytes() for network in wanted.networks}
    except (OSError, ValueError) as error:
        raise DamagedPack(f"The model pack in {pack} is incomplete; {repair}") from error
    for file, content in contents.items():
        if hashlib.sha256(content).hexdigest() != recorded.get(file):
            raise DamagedPack(f"{pack / file} was altered since it was pulled; {repair}")
    return contents


def _repair(name: str) -> str:
    return f"fetch it again with: facedex models pull {name}"


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Make the directory's entries survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
