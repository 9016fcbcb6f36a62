"""Folders in which packs are put together, and their change into packs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from uuid import uuid4

from facedex_models.pack_files import sync


def partial(directory: Path, name: str) -> Path:
    """Return the path of a new folder in which a pack is put together."""
    return directory / f".{name}-{uuid4().hex}.partial"


def remove_stale(directory: Path, name: str) -> None:
    """Remove partial folders of a pack that are left over from processes that were killed.

    Only the holder of the pack's lock installs it. Another process may be installing a pack whose
    name begins with this one's, as sface-dlib's does with sface.
    """
    pattern = re.compile(rf"\.{re.escape(name)}-[0-9a-f]{{32}}\.partial")
    for path in directory.iterdir():
        if pattern.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def put_in_place(complete: Path, pack: Path) -> None:
    """Let a complete folder be the pack, in place of an older one."""
    if pack.exists():
        # A directory cannot be renamed to one that contains files. A process that is killed between
        # the two renames leaves no pack, and the next pull removes the old one.
        old = partial(pack.parent, pack.name)
        pack.rename(old)
        complete.rename(pack)
        shutil.rmtree(old, ignore_errors=True)
    else:
        complete.rename(pack)
    sync(pack.parent)
