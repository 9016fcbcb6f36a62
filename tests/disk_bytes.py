"""Search of the bytes of a data directory, as someone would who reads the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WINDOW = 16  # bytes


def windows(vector: NDArray[np.floating]) -> list[bytes]:
    """Return parts of a vector as Postgres stores it (halfvec), and as float32: each is a trace."""
    stored = [vector.astype(np.float16).tobytes(), vector.astype(np.float32).tobytes()]
    return [
        data[start : start + WINDOW]
        for data in stored
        for start in (0, len(data) // 2, len(data) - WINDOW)
    ]


def places_of(directory: Path, traces: Mapping[str, Sequence[bytes]]) -> dict[str, list[str]]:
    """Return the files below a directory that contain a trace, by the trace's name."""
    found: dict[str, list[str]] = {name: [] for name in traces}
    for path in sorted(directory.rglob("*")):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue  # Postgres removes files at any time
        for name, needles in traces.items():
            if any(needle in data for needle in needles):
                found[name].append(str(path.relative_to(directory)))
    return found
