"""A directory for Postgres's socket that another user has created is rejected."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from facedex_local.postgres import sockets
from facedex_local.postgres.account import Account
from facedex_local.start_errors import DatabaseFailed

_STRANGER = 54321
_LENT = 54322


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory whose path is too long for a socket."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / ("d" * 120)


@pytest.fixture
def account() -> Account:
    if os.geteuid() == 0:
        return Account(_LENT, _LENT, is_other=True)
    return Account(os.geteuid(), os.getegid(), is_other=False)


def test_the_socket_directory_is_private_and_found_again(cluster: Path, account: Account) -> None:
    directory = sockets.find_directory(cluster, account)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert directory.stat().st_uid == account.uid
    assert sockets.find_directory(cluster, account) == directory


def _open(directory: Path) -> None:
    directory.chmod(0o755)


def _link(directory: Path) -> None:
    elsewhere = directory.with_name("elsewhere")
    directory.rename(elsewhere)
    directory.symlink_to(elsewhere)


def _file(directory: Path) -> None:
    directory.rmdir()
    directory.touch(mode=0o700)


def _give_away(directory: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can play a stranger")
    os.chown(directory, _STRANGER, _STRANGER)


@pytest.mark.parametrize("change", [_open, _link, _file, _give_away])
def test_an_unsafe_socket_directory_is_refused_and_not_changed(
    cluster: Path, account: Account, change: Callable[[Path], None]
) -> None:
    directory = sockets.find_directory(cluster, account)
    change(directory)
    before = directory.lstat()
    with pytest.raises(DatabaseFailed, match="remove it"):
        sockets.find_directory(cluster, account)
    after = directory.lstat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
