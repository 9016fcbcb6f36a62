"""Time from the start of ``facedex up`` to its ``ready``, with cached models.

A first start creates the data directory; a second one uses it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from facedex_models import installing
from tests.bench.measuring import report
from tests.conftest import Server


def seconds(directory: Path) -> float:
    """Start the server, wait until it is ready, and stop it."""
    begun = time.perf_counter()
    server = Server(directory)
    taken = time.perf_counter() - begun
    server.stop()
    return taken


def spread(times: list[float]) -> str:
    """Return the median and the range of times in seconds."""
    ordered = sorted(times)
    return f"{ordered[len(ordered) // 2]:.2f} s ({ordered[0]:.2f} to {ordered[-1]:.2f})"


def main(rounds: int) -> None:
    installing.pull()
    first, second = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="facedex-bench-") as folder:
            directory = Path(folder, "data")
            first.append(seconds(directory))
            second.append(seconds(directory))
    report(
        f"facedex up until ready, median of {rounds}",
        f"on a new data directory {spread(first)}",
        f"on one that is there {spread(second)}",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
