"""The directory of Postgres's socket: the cluster, or a private directory with a shorter path."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from facedex_local.postgres.account import Account
from facedex_local.start_errors import DatabaseFailed

# Maximum length of a socket's path without the terminating zero (Linux 107, macOS 103 bytes).
_PATH: Final = 103
_NAME: Final = ".s.PGSQL.5432"


def find_directory(cluster: Path, account: Account, *reached: Path) -> Path:
    """Return the directory of a cluster's socket; create it if it is missing.

    Args:
        cluster: directory of the cluster.
        account: the account of the server.
        reached: further directories that the account has to reach.

    Raises:
        DatabaseFailed: if the directory's path exists but is not a private directory of this user.
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
    """Check that another user has not created the directory, before its owner is changed.

    In a directory such as /tmp, only the owner can replace a directory that passed this check.
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
