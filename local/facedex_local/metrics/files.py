"""The files in which the processes of a server count: prometheus-client's multiprocess mode.

Each process maps files of its own into memory, so that a count costs no call to another process,
and remains after the process was killed. A scrape adds the files up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

# Prometheus-client reads it when it is imported. Processes that this one starts inherit it.
SETTING: Final = "PROMETHEUS_MULTIPROC_DIR"
_FOLDER: Final = "metrics"
# Bytes of a process's files. Their disk blocks are reserved in advance: a process is killed that
# writes to memory whose block a full disk has no room for.
_SIZES: Final = {"counter": 128 << 10, "histogram": 512 << 10, "gauge_livesum": 32 << 10}
_SUMS: Final = ("counter", "histogram")
_NOBODY: Final = 0  # in place of the process id: the sums of processes that have ended


def prepare(directory: Path) -> None:
    """Create the empty folder of a server that starts, and name it in the environment.

    Raises:
        OSError: if it cannot be written, also for lack of room on the disk.
    """
    folder = directory.absolute() / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.environ[SETTING] = str(folder)
    _reserve(folder, _NOBODY, _SUMS)


def reserve() -> None:
    """Create the files of this process.

    Raises:
        OSError: if the disk has no room for them.
    """
    _reserve(Path(os.environ[SETTING]), os.getpid(), _SIZES)


def _reserve(folder: Path, process: int, kinds: Collection[str]) -> None:
    for kind in kinds:
        path = folder / f"{kind}_{process}.db"
        # An earlier process may have had this id; its counts continue.
        if not path.exists():
            path.write_bytes(bytes(_SIZES[kind]))


def fold(folder: Path, alive: Collection[int], known: Collection[Path]) -> None:
    """Add the counts of processes that have ended to one file, and remove their files.

    Args:
        folder: the server's folder.
        alive: ids of the server's processes.
        known: files that were there before ``alive`` was determined.
    """
    from prometheus_client import mmap_dict

    values: Any = mmap_dict.MmapedDict  # which has no types

    for path in known:
        kind, _, process = path.stem.rpartition("_")
        if int(process) in (*alive, _NOBODY):
            continue
        if kind in _SUMS:
            total = values(str(folder / f"{kind}_{_NOBODY}.db"))
            for key, value, _, _ in values.read_all_values_from_file(str(path)):
                total.write_value(key, total.read_value(key)[0] + value, 0.0)
            total.close()
        path.unlink()


def present(folder: Path) -> list[Path]:
    """Return the files of all processes."""
    return sorted(folder.glob("*.db"))
