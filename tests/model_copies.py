"""Packs for tests: the default pack's networks under other names and numbers."""

from __future__ import annotations

import re
from pathlib import Path


def copy(pulled: Path, models: Path, name: str, number: int, version: str = "1") -> Path:
    """Put a pack with the networks of a pulled one into a models directory; return its folder."""
    folder = models / name
    folder.mkdir(parents=True)
    for file in ("detector.onnx", "embedder.onnx", "SHA256SUMS"):
        (folder / file).symlink_to(pulled / file)
    text = (pulled / "pack.toml").read_text(encoding="utf-8")
    for key, value in (("name", f'"{name}"'), ("number", number), ("version", f'"{version}"')):
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, count=1, flags=re.M)
        assert count == 1
    (folder / "pack.toml").write_text(text, encoding="utf-8")
    return folder
