"""The system account that Postgres runs as: it refuses to be root, so root lends it another."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from facedex_local.errors import DatabaseFailed


class PopenArguments(TypedDict, total=False):
    """Arguments of ``subprocess.Popen`` that make the child run as an account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system.

    Attributes:
        uid, gid: its numbers.
        lent: whether it is another than the one this process runs as.
    """

    uid: int
    gid: int
    lent: bool

    def popen_arguments(self) -> PopenArguments:
        """What makes ``subprocess.Popen`` run as this account."""
        if not self.lent:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, directory: Path, *reached: Path) -> None:
        """Give a lent account ``directory``, and the way to it and to ``reached``.

        The way is opened by the search bit alone (``o+x``) and only where it is missing: the
        account can pass through a directory such as root's home, and cannot list or read it.
        """
        if not self.lent:
            return
        if directory.lstat().st_uid != self.uid:
            os.chown(directory, self.uid, self.gid, follow_symlinks=False)
        for path in (directory, *reached):
            for parent in path.resolve().parents:
                found = parent.stat()
                if found.st_uid != self.uid and not found.st_mode & stat.S_IXOTH:
                    parent.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)


def of(cluster: Path) -> Account:
    """The account for a cluster: this process's own, or for root the cluster's owner.

    A new cluster made by root goes to ``postgres`` if the system has that account, else
    to ``nobody``; no account is added to the system.

    Raises:
        DatabaseFailed: if root has no such account to lend.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), lent=False)
    if (cluster / "PG_VERSION").exists():
        owner = cluster.stat()
        return Account(owner.st_uid, owner.st_gid, lent=True)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, lent=True)
    raise DatabaseFailed(
        "Postgres does not run as root and the system has no account named postgres or nobody; "
        "run facedex as an ordinary user, or name a database with --database-url."
    )
