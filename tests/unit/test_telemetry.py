from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "import {package}; import onnxruntime; onnxruntime.SessionOptions()"


def test_onnx_runtime_stores_no_telemetry(tmp_path: Path) -> None:
    """By default, ONNX Runtime stores a device id and events in the user's home directory."""
    for package in ("facedex", "facedex_models"):
        environment = {
            name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"
        }
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(package=package)],
            check=True,
            env={**environment, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        )
        assert not list(tmp_path.rglob("*nnxruntime*"))
