"""Files of a pulled pack: written to survive a power cut, and checked by their hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import onnxruntime

from facedex_models.manifests import PackManifest
from facedex_models.model_errors import DamagedPack

MANIFEST = "pack.toml"

# In the format of `sha256sum --check`: the networks as converted here.
SUMS = "SHA256SUMS"


def check(pack: Path, wanted: PackManifest) -> None:
    """Check that every network has its recorded hash and loads.

    Raises:
        DamagedPack: if a network is missing, differs from its hash, or does not load.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings are not for users
    contents = read_files(pack, wanted)
    for file in (network.file for network in wanted.networks):
        try:
            onnxruntime.InferenceSession(
                contents[file], options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no common base class
            raise DamagedPack(f"{pack / file} does not load; {_repair(wanted.name)}") from error


def read_files(pack: Path, wanted: PackManifest) -> dict[str, bytes]:
    """Return the contents of the networks and tables, by name.

    Raises:
        DamagedPack: if a file is missing or differs from its recorded hash.
    """
    repair = _repair(wanted.name)
    try:
        lines = (pack / SUMS).read_text("utf-8").splitlines()
        recorded = {file: digest for digest, file in (line.split("  ", 1) for line in lines)}
        contents = {file: (pack / file).read_bytes() for file in wanted.files}
    except (OSError, ValueError) as error:
        raise DamagedPack(f"The model pack in {pack} is incomplete; {repair}") from error
    for file, content in contents.items():
        if hashlib.sha256(content).hexdigest() != recorded.get(file):
            raise DamagedPack(f"{pack / file} has changed since it was pulled; {repair}")
    return contents


def _repair(name: str) -> str:
    return f"fetch it again with: facedex models pull {name}"


def write(path: Path, content: bytes) -> None:
    """Write a file and flush it to disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(directory: Path) -> None:
    """Flush a directory's entries to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
