"""The system account of the Postgres server, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from facedex_local.start_errors import DatabaseFailed


class PopenArguments(TypedDict, total=False):
    """Arguments of ``subprocess.Popen`` that run the child process as an account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system.

    Attributes:
        uid: user id.
        gid: group id.
        is_other: whether the account differs from that of this process.
    """

    uid: int
    gid: int
    is_other: bool

    def popen_arguments(self) -> PopenArguments:
        """Return the arguments of ``subprocess.Popen`` that run a child as this account."""
        if not self.is_other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, directory: Path, *reached: Path) -> None:
        """Make another account the owner of a directory and let it reach further directories.

        Parent directories get the search permission (``o+x``) where it is missing. With it, the
        account can traverse a directory such as root's home but cannot list or read it. The
        directory that contains ``directory`` is opened to the account's group only (``g+x``).

        Args:
            directory: directory that the account will own.
            reached: further paths that the account has to reach.
        """
        if not self.is_other:
            return
        if directory.lstat().st_uid != self.uid:
            os.chown(directory, self.uid, self.gid, follow_symlinks=False)
        self._open_to_group(directory.resolve().parent)
        for path in (directory, *reached):
            for parent in path.resolve().parents:
                found = parent.stat()
                if not self._may_traverse(found):
                    parent.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)

    def _open_to_group(self, directory: Path) -> None:
        found = directory.stat()
        if not self._may_traverse(found):
            os.chown(directory, -1, self.gid)
            directory.chmod(stat.S_IMODE(found.st_mode) & stat.S_IRWXU | stat.S_IXGRP)

    def _may_traverse(self, found: os.stat_result) -> bool:
        in_group = found.st_gid == self.gid and found.st_mode & stat.S_IXGRP
        return found.st_uid == self.uid or bool(in_group or found.st_mode & stat.S_IXOTH)


def of(cluster: Path) -> Account:
    """Return the account for a cluster: that of this process or, for root, the cluster's owner.

    If root creates the cluster, it belongs to ``postgres`` if the system has that account, else to
    ``nobody``; no account is added to the system.

    Args:
        cluster: directory of the cluster, which need not exist.

    Raises:
        DatabaseFailed: if this process runs as root and the system has neither account.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), is_other=False)
    if (cluster / "PG_VERSION").exists():
        owner = cluster.stat()
        return Account(owner.st_uid, owner.st_gid, is_other=True)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, is_other=True)
    raise DatabaseFailed(
        "Postgres does not run as root and the system has no account named postgres or nobody; "
        "run facedex as an ordinary user, or specify a database with --database-url."
    )
