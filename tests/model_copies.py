"""Packs for tests: the default pack's networks under other names and numbers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


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


def shorten(pulled: Path, models: Path, name: str, number: int, version: str = "1") -> Path:
    """Put a copy of the default pack whose vectors differ, with another dimension."""
    folder = copy(pulled, models, name, number, version)
    model = onnx.load(folder / "embedder.onnx")
    last = model.graph.node[-1]
    assert last.op_type == "MatMul"
    (weights,) = [each for each in model.graph.initializer if each.name == last.input[1]]
    fewer = np.ascontiguousarray(numpy_helper.to_array(weights)[:, 127:31:-1])
    weights.CopyFrom(numpy_helper.from_array(fewer, weights.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = fewer.shape[1]
    content = model.SerializeToString()
    (folder / "embedder.onnx").unlink()
    (folder / "embedder.onnx").write_bytes(content)
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    (folder / "SHA256SUMS").unlink()
    changed = f"{hashlib.sha256(content).hexdigest()}  embedder.onnx"
    kept = [line for line in sums if not line.endswith("embedder.onnx")]
    (folder / "SHA256SUMS").write_text("\n".join([*kept, changed, ""]), encoding="utf-8")
    text = (folder / "pack.toml").read_text(encoding="utf-8")
    assert "dimension = 129" in text
    (folder / "pack.toml").write_text(
        text.replace("dimension = 129", f"dimension = {fewer.shape[1] + 1}"), encoding="utf-8"
    )
    return folder
