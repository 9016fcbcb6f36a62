"""Where Postgres puts its socket: in its cluster, or in a private directory of a shorter name."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from facedex_local.errors import DatabaseFailed
from facedex_local.postgres.account import Account

# Longest path that fits a socket's address, its closing zero left out (Linux 108, macOS 104 bytes).
_PATH: Final = 103
_NAME: Final = ".s.PGSQL.5432"


def find_directory(cluster: Path, account: Account, *reached: Path) -> Path:
    """The directory of a cluster's socket, made if it is missing.

    Args:
        cluster: where the data is.
        account: whom the server runs as.
        reached: directories that the account has to reach besides.

    Raises:
        DatabaseFailed: if somebody else has a thing of the directory's name.
    """
    if len(os.fsencode(cluster / _NAME)) <= _PATH:
        return cluster
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    directory = Path(tempfile.gettempdir()) / f"facedex-{digest}"
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        _require_ours(directory, account)
    account.own(directory, *reached)
    return directory


def _require_ours(directory: Path, account: Account) -> None:
    """Refuse what a stranger put there, before any of it is given to an account of ours.

    In a directory such as /tmp only its owner can put another thing in the place of one that
    passed.
    """
    found = directory.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid not in (os.geteuid(), account.uid)
        or stat.S_IMODE(found.st_mode) != 0o700
    ):
        raise DatabaseFailed(
            f"{directory} is not a private directory (mode 0700) of this user; remove it."
        )
