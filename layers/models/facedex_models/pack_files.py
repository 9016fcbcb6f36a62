"""The files of a pulled pack: written so that they survive a power cut, checked by their hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import onnxruntime

from facedex_models.errors import DamagedPack
from facedex_models.manifests import Manifest

MANIFEST = "pack.toml"


# In the format of `sha256sum --check`: the networks as converted here.
SUMS = "SHA256SUMS"


def check(pack: Path, wanted: Manifest) -> None:
    """Raise DamagedPack where a network differs from its recorded hash or does not load."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings are not for users
    for file, content in read_networks(pack, wanted).items():
        try:
            onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise DamagedPack(f"{pack / file} does not load; {_repair(wanted.name)}") from error


def read_networks(pack: Path, wanted: Manifest) -> dict[str, bytes]:
    """Return the networks' files; raise DamagedPack where one differs from its recorded hash."""
    repair = _repair(wanted.name)
    try:
        lines = (pack / SUMS).read_text("utf-8").splitlines()
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


def write(path: Path, content: bytes) -> None:
    """Write a file through to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(directory: Path) -> None:
    """Make the directory's entries survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
