"""Programs in new processes, whose sets and dictionaries have other orders than here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def outputs(program: str, *arguments: Path) -> set[str]:
    """Return what a program prints in two processes, each with another seed of its hashes."""
    return {
        subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
