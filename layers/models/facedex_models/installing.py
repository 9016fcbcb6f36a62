"""Packs on this machine: pulled into place whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import onnxruntime
import platformdirs
from filelock import FileLock

from facedex_models import centerface_to_dynamic, dlib_to_onnx
from facedex_models.errors import DamagedPack, ModelError
from facedex_models.fetching import Progress, fetch_member, silent
from facedex_models.manifests import DEFAULT, Manifest, Network, manifest, parse
from facedex_models.storage import storing

# How the file of each kind of network becomes the ONNX file that the vision package runs.
CONVERTERS: Mapping[str, Callable[[bytes], bytes]] = {
    "centerface": centerface_to_dynamic.convert,
    "dlib-resnet": dlib_to_onnx.convert,
}

_MANIFEST = "pack.toml"
# In the format of `sha256sum --check`: the networks as converted here.
_SUMS = "SHA256SUMS"
_NETWORKS = ("detector.onnx", "embedder.onnx")


def models_directory() -> Path:
    """Return where pulled packs are: FACEDEX_MODELS, else the user's cache directory."""
    chosen = os.environ.get("FACEDEX_MODELS")
    return Path(chosen) if chosen else platformdirs.user_cache_path("facedex") / "models"


def installed(name: str, *, directory: Path | None = None) -> Path | None:
    """Return the pulled pack's directory, or None where it was not pulled.

    Raises UnknownPack.
    """
    pack = (directory or models_directory()) / manifest(name).name
    complete = all((pack / file).is_file() for file in (_MANIFEST, _SUMS, *_NETWORKS))
    return pack if complete else None


def pull(
    name: str = DEFAULT, *, directory: Path | None = None, progress: Progress = silent
) -> Path:
    """Fetch, convert and store a pack unless it is there and sound; return its directory.

    Raises ModelError, or one of its subclasses: UnknownPack, FetchFailed, WrongHash, StorageFailed.
    """
    return install(manifest(name), directory=directory, progress=progress)


def install(
    wanted: Manifest, *, directory: Path | None = None, progress: Progress = silent
) -> Path:
    """Do what pull does, for a manifest that need not be one of those shipped."""
    directory = directory or models_directory()
    pack = directory / wanted.name
    with storing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f".{wanted.name}.lock"):
            # Whoever holds the lock is the only puller: what lies about was left by killed ones.
            for stale in directory.glob(f".{wanted.name}-*.partial"):
                shutil.rmtree(stale, ignore_errors=True)
            if _has_networks(pack, wanted):
                _describe(pack, wanted)
                return pack
            partial = _partial(directory, wanted.name)
            try:
                _fill(partial, wanted, progress)
                _put_in_place(partial, pack)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return pack


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
    _check(pack, name)
    return pack


def _partial(directory: Path, name: str) -> Path:
    return directory / f".{name}-{uuid4().hex}.partial"


def _has_networks(pack: Path, wanted: Manifest) -> bool:
    """Return whether the pack was pulled from the sources now wanted and is sound."""
    try:
        present = parse((pack / _MANIFEST).read_text("utf-8"))
        _check(pack, wanted.name)
    except (OSError, ModelError):
        return False
    return (present.model_version, present.detector, present.embedder) == (
        wanted.model_version,
        wanted.detector,
        wanted.embedder,
    )


def _describe(pack: Path, wanted: Manifest) -> None:
    """Bring pack.toml up to date: a new calibration needs no new download."""
    if (pack / _MANIFEST).read_text("utf-8") == wanted.text:
        return
    fresh = pack / f".{_MANIFEST}"
    _write(fresh, wanted.text.encode())
    fresh.replace(pack / _MANIFEST)
    _sync(pack)


def _fill(partial: Path, wanted: Manifest, progress: Progress) -> None:
    partial.mkdir()
    sums = []
    for file, network in zip(_NETWORKS, (wanted.detector, wanted.embedder), strict=True):
        converted = _convert(
            network, fetch_member(network.source, progress=progress, scratch=partial)
        )
        _write(partial / file, converted)
        sums.append(f"{hashlib.sha256(converted).hexdigest()}  {file}\n")
    _write(partial / _SUMS, "".join(sums).encode())
    _write(partial / _MANIFEST, wanted.text.encode())
    _check(partial, wanted.name)
    _sync(partial)


def _convert(network: Network, data: bytes) -> bytes:
    if network.kind not in CONVERTERS:
        raise ModelError(
            f"The manifest names the kind {network.kind!r}; known are: {', '.join(CONVERTERS)}."
        )
    return CONVERTERS[network.kind](data)


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


def _check(pack: Path, name: str) -> None:
    """Raise DamagedPack where a network differs from its recorded hash or does not load."""
    repair = f"fetch it again with: facedex models pull {name}"
    try:
        lines = (pack / _SUMS).read_text("utf-8").splitlines()
        recorded = {file: digest for digest, file in (line.split("  ", 1) for line in lines)}
        contents = {file: (pack / file).read_bytes() for file in _NETWORKS}
    except (OSError, ValueError) as error:
        raise DamagedPack(f"The model pack in {pack} is incomplete; {repair}") from error
    for file, content in contents.items():
        if hashlib.sha256(content).hexdigest() != recorded.get(file):
            raise DamagedPack(f"{pack / file} was altered since it was pulled; {repair}")
        try:
            onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise DamagedPack(f"{pack / file} does not load; {repair}") from error


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
